import { describe, expect, it } from 'vitest'
import { makeBackend } from '../fixtures/member.js'
import { policies } from '../policy/index.js'
import type { Backend } from './backend.js'
import { selectBackend } from './select.js'

const nowMs = 10_000

function select(backends: Backend[], options: { group?: string; avoid?: [Backend, number][] } = {}) {
  const avoid = new Map(options.avoid?.map(([backend, life]) => [backend.id, life]))
  return selectBackend(
    backends,
    { group: options.group, avoid },
    policies['weighted-round-robin'],
    () => 0,
    nowMs,
  )?.id
}

describe('selectBackend', () => {
  it('passes over full, draining, ejected, removed and paused ones', () => {
    const [full, draining, ejected, removed, paused, good] = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) =>
      makeBackend({ id }),
    ) as [Backend, Backend, Backend, Backend, Backend, Backend]
    full.takeSlot()
    draining.member.draining = true
    ejected.state = 'ejected'
    removed.removed = true
    paused.restsUntilMs = nowMs + 1
    expect(select([full, draining, ejected, removed, paused, good])).toBe('f')
    good.takeSlot()
    expect(select([full, draining, ejected, removed, paused, good])).toBeUndefined()
  })

  it('keeps to a group, by its name or a model', () => {
    const small = makeBackend({ id: 'a', group: 'small', models: ['tiny'] })
    const large = makeBackend({ id: 'b', group: 'large', models: ['big'] })
    expect(select([small, large], { group: 'large' })).toBe('b')
    expect(select([small, large], { group: 'tiny' })).toBe('a')
    expect(select([small, large], { group: 'none' })).toBeUndefined()
  })

  it('does not go back to an instance on which the request failed while another is up, even a busy one', () => {
    const failed = makeBackend({ id: 'a' })
    const other = makeBackend({ id: 'b' })
    expect(select([failed, other], { avoid: [[failed, 0]] })).toBe('b')
    other.takeSlot()
    expect(select([failed, other], { avoid: [[failed, 0]] })).toBeUndefined()
  })

  it('goes back to it in its next life, or when it is the only one', () => {
    const failed = makeBackend({ id: 'a' })
    const other = makeBackend({ id: 'b' })
    other.takeSlot()
    failed.life = 1
    expect(select([failed, other], { avoid: [[failed, 0]] })).toBe('a')
    other.state = 'ejected'
    failed.life = 0
    expect(select([failed, other], { avoid: [[failed, 0]] })).toBe('a')
  })

  it('gives a returning instance less of the round', () => {
    const old = makeBackend({ id: 'a', slots: 1_000 })
    const returning = makeBackend({ id: 'b', slots: 1_000 })
    returning.rampFromMs = nowMs
    const ids = Array.from({ length: 110 }, () => select([old, returning]))
    expect(ids.filter((id) => id === 'b')).toHaveLength(10)
  })
})

describe('takeSlot', () => {
  it('gives a slot back once, however often it is asked to', () => {
    const backend = makeBackend({ slots: 2 })
    const first = backend.takeSlot()
    backend.takeSlot()
    expect([first(), first(), first()]).toEqual([true, false, false])
    expect(backend.inFlight).toBe(1)
  })
})
