import { describe, expect, it } from 'vitest'
import { makeMember } from '../../fixtures/member.js'
import type { Endpoint, EndpointSlice } from './endpoint-slice.js'
import { membersOfSlices, type SliceContext } from './members-of-slices.js'

const context: SliceContext = {
  member: makeMember({ weight: 2, slots: 4 }),
  idPrefix: '',
  slotsFromHealth: true,
  port: undefined,
  known: new Set(),
}

function endpoint(
  name: string,
  address: string,
  conditions: Endpoint['conditions'] = { ready: true },
): Endpoint {
  return { addresses: [address], conditions, targetRef: { kind: 'Pod', name } }
}

function slice(endpoints: Endpoint[], overrides: Partial<EndpointSlice> = {}): EndpointSlice {
  return {
    metadata: { name: 's' },
    addressType: 'IPv4',
    endpoints,
    ports: [{ name: 'http', port: 7861, protocol: 'TCP' }],
    ...overrides,
  }
}

const shown = (slices: EndpointSlice[], overrides: Partial<SliceContext> = {}): string[] =>
  membersOfSlices(slices, { ...context, ...overrides }).map(
    ({ member }) => `${member.id} ${member.url}${member.draining ? ' draining' : ''}`,
  )

describe('membersOfSlices', () => {
  it.each<[Endpoint['conditions'], string, string]>([
    [undefined, 'member', 'member'],
    [{}, 'member', 'member'],
    [{ ready: true, serving: true, terminating: false }, 'member', 'member'],
    [{ ready: false, serving: false }, 'none', 'drains'],
    [{ ready: false, serving: true, terminating: true }, 'none', 'drains'],
    [{ ready: false, serving: false, terminating: true }, 'none', 'drains'],
    // As with `publishNotReadyAddresses`.
    [{ ready: true, serving: true, terminating: true }, 'none', 'drains'],
  ])('with %o a new endpoint is %s, a member %s', (conditions, fresh, known) => {
    const slices = [slice([endpoint('a', '10.0.0.1', conditions)])]
    const words = (list: string[]): string =>
      list.length === 0 ? 'none' : (list[0] as string).endsWith('draining') ? 'drains' : 'member'
    expect(words(shown(slices))).toBe(fresh)
    expect(words(shown(slices, { known: new Set(['a http://10.0.0.1:7861']) }))).toBe(known)
  })

  it('counts an endpoint once that is in two slices or has an address of each family', () => {
    const draining = endpoint('a', '10.0.0.1', { ready: false, terminating: true })
    const known = new Set(['a http://10.0.0.1:7861'])
    const twice = [slice([draining]), slice([endpoint('a', '10.0.0.1')])]
    expect(shown(twice, { known })).toEqual(['a http://10.0.0.1:7861'])
    const dual = [
      slice([endpoint('a', 'fd00::1')], { addressType: 'IPv6' }),
      slice([endpoint('a', '10.0.0.1')]),
    ]
    expect(shown(dual)).toEqual(['a http://10.0.0.1:7861'])
    expect(shown(dual.slice(0, 1))).toEqual(['a http://[fd00::1]:7861'])
  })

  it('names what is no pod by its address, and puts the prefix before', () => {
    const plain: Endpoint = { addresses: ['10.0.0.9'] }
    expect(shown([slice([plain])], { idPrefix: 'x-' })).toEqual(['x-10.0.0.9:7861 http://10.0.0.9:7861'])
  })

  it('takes the port that is asked for, by number or name, and wants one where there are several', () => {
    const ports = [
      { name: 'http', port: 7861, protocol: 'TCP' },
      { name: 'metrics', port: 9100 },
      { name: 'udp', port: 1, protocol: 'UDP' },
    ]
    const slices = [slice([endpoint('a', '10.0.0.1')], { ports })]
    expect(shown(slices, { port: 'metrics' })).toEqual(['a http://10.0.0.1:9100'])
    expect(shown(slices, { port: 7861 })).toEqual(['a http://10.0.0.1:7861'])
    expect(shown(slices, { port: 80 })).toEqual([])
    expect(() => shown(slices)).toThrow('several ports (http, metrics)')
    expect(shown([slice([endpoint('a', '10.0.0.1')], { ports: null })], { port: 80 })).toEqual([
      'a http://10.0.0.1:80',
    ])
  })

  it('takes weight and slots from a label, rather from an annotation, and nothing that is no number', () => {
    const of = (labels: Record<string, string>, annotations: Record<string, string> = {}) => {
      const [found] = membersOfSlices(
        [slice([endpoint('a', '10.0.0.1')], { metadata: { name: 's', labels, annotations } })],
        context,
      )
      return [found?.member.weight, found?.member.slots, found?.slotsFromHealth]
    }
    expect(of({})).toEqual([2, 4, true])
    expect(of({ 'asr-cluster/weight': '5', 'asr-cluster/slots': '16' })).toEqual([5, 16, false])
    expect(of({ 'asr-cluster/weight': '5' }, { 'asr-cluster/weight': '7' })).toEqual([7, 4, true])
    expect(of({ 'asr-cluster/weight': '0', 'asr-cluster/slots': 'many' })).toEqual([2, 4, true])
  })
})
