import type { ServedGroup } from '@asr-cluster/protocol'
import { describe, expect, it } from 'vitest'
import { makeMember } from '../fixtures/member.js'
import type { Backend } from './backend.js'
import { Connections } from '../upstream/connections.js'
import { Members } from './members.js'

const small = makeMember({ id: 'a', group: 'small', models: ['tiny'] })
const large = makeMember({ id: 'b', group: 'large', models: ['big'] })
const served = ({ group, models }: ServedGroup): ServedGroup => ({ group, models })

function setUp(): Members {
  return new Members({
    connect: ({ url }) => new Connections(url, { connectTimeoutMs: 1_000, responseTimeoutMs: 1_000 }),
    onAdded: () => undefined,
    onRemoved: () => undefined,
    keepsSlots: () => false,
    onChanged: () => undefined,
  })
}

function known(members: Members, ...names: string[]): string[] {
  return names.filter((name) => members.hasGroup(name))
}

describe('the names of Members', () => {
  it('are those of a group that has no member yet, too', () => {
    const members = setUp()
    members.apply([small], [small, large].map(served))
    expect(known(members, 'small', 'tiny', 'large', 'big', 'nope')).toEqual(['small', 'tiny', 'large', 'big'])
    expect(members.offersChoice).toBe(true)
  })

  it('offer a choice also within one group, before the other model has a member', () => {
    const members = setUp()
    const other = { group: 'small', models: ['big'] }
    members.apply([small], [served(small), other])
    expect(members.offersChoice).toBe(true)
    expect(known(members, 'big')).toEqual(['big'])
    members.apply([small], [small].map(served))
    expect(members.offersChoice).toBe(false)
  })

  it('end with a group, or with a model in it, that is no longer configured', () => {
    const members = setUp()
    const both = { ...small, models: ['tiny', 'second'] }
    members.apply([both, large], [both, large].map(served))
    members.apply([small], [small].map(served))
    expect(known(members, 'small', 'tiny', 'second', 'large', 'big')).toEqual(['small', 'tiny'])
  })

  it('end with the members that told them, once others of the group tell other ones', () => {
    const members = setUp()
    const groups = [{ group: 'small', models: [] }]
    const successor = makeMember({ id: 'c', group: 'small', models: ['next'] })
    members.apply([small], groups)
    members.apply([small, successor], groups)
    expect(members.modelNames).toEqual(['next', 'tiny'])
    members.apply([successor], groups)
    expect(members.modelNames).toEqual(['next'])
  })

  it('keep what a member told of its group while it is away', () => {
    const members = setUp()
    const groups = [{ group: 'small', models: ['alias'] }]
    members.apply([small], groups)
    members.apply([], groups)
    expect(known(members, 'small', 'tiny', 'alias')).toEqual(['small', 'tiny', 'alias'])
  })
})

it('remembers the last thousand that left, and gives no life a number that was used before', () => {
  const members = setUp()
  const pod = (index: number) => makeMember({ id: `pod-${index}` })
  members.apply([pod(0)])
  const [first] = members.backends as [Backend]
  first.life = 5
  for (let index = 1; index <= 1_001; index += 1) members.apply([pod(index)])
  members.apply([pod(0), pod(1), pod(1_001), pod(1_002)])
  expect(members.backends.map(({ rampWhenUp }) => rampWhenUp)).toEqual([false, true, false, false])
  expect(members.backends[0]?.life).toBeGreaterThan(5)
  members.apply([])
  members.apply([pod(1_001)])
  expect(members.backends[0]).toMatchObject({ rampWhenUp: true })
})
