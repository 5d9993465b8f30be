import type { ServedGroup } from '@asr-cluster/protocol'
import { describe, expect, it } from 'vitest'
import { FakeClock } from '../fixtures/fake-clock.js'
import { Discovery } from './discovery.js'
import { createSource } from './create-source.js'
import type { ServiceTarget } from './expand.js'
import { parseUpstreams } from './parse-upstream.js'

function setUp() {
  const clock = new FakeClock()
  const names = new Map<string, string[]>()
  const services = new Map<string, ServiceTarget[]>()
  const ttls = new Map<string, number>()
  const told: string[][] = []
  const groups: ServedGroup[][] = []
  const failures: string[] = []
  const find = <T>(map: Map<string, T>, name: string): Promise<T> => {
    const found = map.get(name)
    return found === undefined ? Promise.reject(new Error('ENOTFOUND')) : Promise.resolve(found)
  }
  const options = {
    resolver: {
      addresses: async (name: string) => {
        const addresses = await find(names, name)
        return { addresses, ttlMs: ttls.get(name) }
      },
      services: (name: string) => find(services, name),
    },
    clock,
    random: () => 0,
    intervalMs: 10_000,
    surroundings: {
      env: {},
      readFile: () => {
        throw new Error('ENOENT')
      },
    },
  }
  const discovery = new Discovery({
    clock,
    createSource: (upstream) => createSource(upstream, options),
    onMembers: (members, served) => {
      told.push(members.map((member) => `${member.id} ${member.url} ${member.weight}`))
      groups.push(served)
    },
    onFailure: ({ member }) => failures.push(member.id),
  })
  return { clock, names, services, ttls, told, groups, failures, discovery }
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

  it('looks again when the TTL ends, but not more than once a second nor less than once a minute', async () => {
    const { discovery, told, names, ttls, clock } = setUp()
    names.set('asr', ['10.0.0.1'])
    const looks = async (ttlMs: number, afterMs: number): Promise<boolean> => {
      ttls.set('asr', ttlMs)
      await discovery.setUpstreams(parseUpstreams([`dns+http://asr:1;id=x${ttlMs}`]))
      names.set('asr', [`10.0.0.${told.length + 2}`])
      const before = told.length
      await clock.advance(afterMs)
      return told.length > before
    }
    expect(await looks(5_000, 4_999)).toBe(false)
    await clock.advance(1)
    expect(await looks(5_001, 5_001)).toBe(true)
    expect(await looks(0, 999)).toBe(false)
    expect(await looks(1, 1_000)).toBe(true)
    expect(await looks(86_400_000, 59_999)).toBe(false)
    await clock.advance(1)
    expect(await looks(86_400_001, 60_000)).toBe(true)
  })

  it('a reload keeps what an upstream that stays was last known to be, while its name cannot be resolved', async () => {
    const { discovery, told, names } = setUp()
    names.set('asr', ['10.0.0.1'])
    await discovery.setUpstreams(parseUpstreams(['dns+http://asr:1;id=x']))
    names.delete('asr')
    await discovery.setUpstreams(parseUpstreams(['dns+http://asr:1;id=x', 'http://b:1;id=b']))
    expect(told.at(-1)).toEqual(['x-10.0.0.1:1 http://10.0.0.1:1 1', 'b http://b:1 1'])
  })

  it('refuses a Service where there is no way to an API server, and leaves all as it is', async () => {
    const { discovery, told, names, clock } = setUp()
    names.set('asr', ['10.0.0.1'])
    await discovery.setUpstreams(parseUpstreams(['dns+http://asr:1;id=x']))
    await expect(discovery.setUpstreams(parseUpstreams(['kubernetes+http://asr']))).rejects.toThrow(
      'KUBECONFIG',
    )
    names.set('asr', ['10.0.0.2'])
    await clock.advance(10_000)
    expect(told.at(-1)).toEqual(['x-10.0.0.2:1 http://10.0.0.2:1 1'])
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

  it('tells the groups of all upstreams, also of one without an address, and when only they change', async () => {
    const { discovery, told, groups } = setUp()
    const small = 'http://b:1;id=b;group=small;models=tiny'
    const large = 'dns+http://asr:1;id=x;group=large;models=big,whisper-1'
    const served = [
      { group: 'small', models: ['tiny'] },
      { group: 'large', models: ['big', 'whisper-1'] },
    ]
    await discovery.setUpstreams(parseUpstreams([small, large]))
    expect([told, groups]).toEqual([[['b http://b:1 1']], [served]])
    await discovery.setUpstreams(parseUpstreams([small]))
    expect(groups.slice(1)).toEqual([served.slice(0, 1)])
  })

  it('tells of nobody at the start before the first addresses are known, so that requests wait for them', async () => {
    const { discovery, told, names, clock } = setUp()
    await discovery.setUpstreams(parseUpstreams(['dns+http://asr:1;id=x', 'dns+http://other:1;id=y']))
    expect(told).toEqual([])
    names.set('asr', ['10.0.0.1'])
    await clock.advance(10_000)
    expect(told).toEqual([['x-10.0.0.1:1 http://10.0.0.1:1 1']])
    await clock.advance(60_000)
    expect(told).toHaveLength(1)
  })

  it('tells of nobody after a while, and at once when all upstreams have answered that there is nobody', async () => {
    const failing = setUp()
    await failing.discovery.setUpstreams(parseUpstreams(['dns+http://asr:1;id=x']))
    await failing.clock.advance(14_999)
    expect(failing.told).toEqual([])
    await failing.clock.advance(1)
    expect(failing.told).toEqual([[]])
    const empty = setUp()
    empty.services.set('_asr._tcp.example', [])
    await empty.discovery.setUpstreams(parseUpstreams(['srv+http://_asr._tcp.example;id=s']))
    expect(empty.told).toEqual([[]])
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

  it('stops while nobody is known', async () => {
    const { discovery, clock } = setUp()
    await discovery.setUpstreams(parseUpstreams(['dns+http://asr:1;id=x']))
    discovery.stop()
    expect(clock.pending).toBe(0)
  })
})
