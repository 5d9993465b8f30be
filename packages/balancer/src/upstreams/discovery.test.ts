import { describe, expect, it } from 'vitest'
import { FakeClock } from '../fixtures/fake-clock.js'
import { Discovery } from './discovery.js'
import type { ServiceTarget } from './expand.js'
import { parseUpstreams } from './parse-upstream.js'

function setUp() {
  const clock = new FakeClock()
  const names = new Map<string, string[]>()
  const services = new Map<string, ServiceTarget[]>()
  const told: string[][] = []
  const failures: string[] = []
  const find = <T>(map: Map<string, T>, name: string): Promise<T> => {
    const found = map.get(name)
    return found === undefined ? Promise.reject(new Error('ENOTFOUND')) : Promise.resolve(found)
  }
  const discovery = new Discovery({
    resolver: {
      addresses: async (name) => [...(await find(names, name))],
      services: async (name) => [...(await find(services, name))],
    },
    clock,
    intervalMs: 10_000,
    onMembers: (members) => told.push(members.map((member) => `${member.id} ${member.url} ${member.weight}`)),
    onFailure: ({ member }) => failures.push(member.id),
  })
  return { clock, names, services, told, failures, discovery }
}

describe('Discovery', () => {
  it('tells fixed upstreams once and asks nobody', async () => {
    const { discovery, told, clock } = setUp()
    await discovery.setUpstreams(parseUpstreams(['http://10.0.0.1:80;id=a', 'http://b:1;id=b']))
    expect(told).toEqual([['a http://10.0.0.1 1', 'b http://b:1 1']])
    expect(clock.pending).toBe(0)
  })

  it('follows the addresses of a name, in whatever order they come', async () => {
    const { discovery, told, names, clock } = setUp()
    names.set('asr', ['10.0.0.2', '10.0.0.1'])
    await discovery.setUpstreams(parseUpstreams(['dns+http://asr:7861=3;id=x']))
    expect(told).toEqual([
      ['x-10.0.0.1:7861 http://10.0.0.1:7861 3', 'x-10.0.0.2:7861 http://10.0.0.2:7861 3'],
    ])
    names.set('asr', ['10.0.0.1', '10.0.0.2'])
    await clock.advance(10_000)
    expect(told).toHaveLength(1)
    names.set('asr', ['fd00::1'])
    await clock.advance(10_000)
    expect(told[1]).toEqual(['x-[fd00::1]:7861 http://[fd00::1]:7861 3'])
  })

  it('removes nobody when the resolver fails', async () => {
    const { discovery, told, names, failures, clock } = setUp()
    names.set('asr', ['10.0.0.1'])
    await discovery.setUpstreams(parseUpstreams(['dns+http://asr:1;id=x']))
    names.delete('asr')
    await clock.advance(20_000)
    expect(told).toHaveLength(1)
    expect(failures).toEqual(['x', 'x'])
  })

  it('takes the targets of the best priority from an SRV record, with their weights', async () => {
    const { discovery, told, services } = setUp()
    services.set('_asr._tcp.example', [
      { name: 'two.example', port: 2, priority: 1, weight: 0 },
      { name: 'spare.example', port: 9, priority: 5, weight: 9 },
      { name: 'one.example', port: 1, priority: 1, weight: 4 },
    ])
    await discovery.setUpstreams(parseUpstreams(['srv+http://_asr._tcp.example;id=s']))
    expect(told).toEqual([
      ['s-one.example:1 http://one.example:1 4', 's-two.example:2 http://two.example:2 1'],
    ])
  })

  it('knows whose slots are told by the health answer', async () => {
    const { discovery, names } = setUp()
    names.set('asr', ['10.0.0.1'])
    await discovery.setUpstreams(parseUpstreams(['dns+http://asr:1;id=x', 'http://b:1;id=b;slots=2']))
    expect(discovery.takesSlotsFromHealth('x-10.0.0.1:1')).toBe(true)
    expect(discovery.takesSlotsFromHealth('b')).toBe(false)
  })

  it('forgets the upstreams before, and stops', async () => {
    const { discovery, told, names, clock } = setUp()
    names.set('asr', ['10.0.0.1'])
    await discovery.setUpstreams(parseUpstreams(['dns+http://asr:1;id=x']))
    await discovery.setUpstreams(parseUpstreams(['http://b:1;id=b']))
    expect(told.at(-1)).toEqual(['b http://b:1 1'])
    await discovery.setUpstreams(parseUpstreams(['dns+http://asr:1;id=x']))
    discovery.stop()
    expect(clock.pending).toBe(0)
  })
})
