import { describe, expect, it } from 'vitest'
import { fakeClock } from '../fixtures/fake-clock.js'
import { createStartGate } from './start-gate.js'

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('the start gate', () => {
  it('lets the next one of a GPU in when the one before is through', async () => {
    const gate = createStartGate(fakeClock())
    const entered: string[] = []
    for (const [id, key] of [
      ['a', 'gpu0'],
      ['b', 'gpu0'],
      ['c', 'gpu1'],
      ['d', 'gpu0'],
    ] as const) {
      void gate.enter(id, key, 1, () => {}).then(() => entered.push(id))
    }
    await settle()
    expect(entered).toEqual(['a', 'c'])
    gate.leave('a')
    await settle()
    expect(entered).toEqual(['a', 'c', 'b'])
    // Not its turn, but it is not wanted any more: it must not wait for ever.
    gate.leave('d')
    await settle()
    expect(entered).toEqual(['a', 'c', 'b', 'd'])
  })

  it('says that somebody waits', () => {
    const clock = fakeClock()
    const gate = createStartGate(clock)
    let ticks = 0
    void gate.enter('a', 'k', 1, () => {})
    void gate.enter('b', 'k', 1, () => {
      ticks += 1
    })
    clock.advance(3_000)
    expect(ticks).toBe(3)
    gate.leave('a')
    clock.advance(3_000)
    expect(ticks).toBe(3)
  })
})
