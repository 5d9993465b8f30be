import type { Member } from '@asr-cluster/protocol'
import type { FoundMember } from '../source.js'
import type { Endpoint, EndpointSlice } from './endpoint-slice.js'

/**
 * Keys of annotations and labels of an EndpointSlice. Its controller copies the Service's labels to it, not the Service's
 * annotations and nothing of the pods; so a Service says it by a label, and a slice that somebody else writes may say it
 * by an annotation, which wins.
 */
export const weightKey = 'asr-cluster/weight'
export const slotsKey = 'asr-cluster/slots'

export interface ServiceReference {
  service: string
  namespace: string | undefined
  /** Number or name as in the slice (the port of the pods); undefined when the slice has one only. */
  port: number | string | undefined
}

export interface SliceContext {
  /** What all members have in common. */
  member: Member
  /** Comes before the pod's name in a member's id. */
  idPrefix: string
  slotsFromHealth: boolean
  port: ServiceReference['port']
  /** The members so far, as `ID URL`: a pod of the same name with another address is another one. */
  known: ReadonlySet<string>
}

/**
 * The members of one Service, by the conditions of its endpoints:
 *
 * | ready and not terminating | a member, whether it was one or not |
 * | anything else             | drains if it was a member: no new requests, those in flight go on; else it is none |
 * | no longer listed          | leaves; those in flight go on |
 *
 * An endpoint may stand in two slices for a moment, and under an address of each family: it counts once, the better
 * condition first, IPv4 before IPv6. Throws RangeError when a slice has several ports and none is named.
 */
export function membersOfSlices(slices: Iterable<EndpointSlice>, context: SliceContext): FoundMember[] {
  const found = new Map<string, { ranked: number; each: FoundMember }>()
  for (const slice of slices) {
    const port = portOf(slice, context.port)
    if (port === undefined) continue
    for (const endpoint of slice.endpoints ?? []) {
      const each = memberOf(slice, endpoint, port, context)
      if (!each) continue
      const ranked = (each.member.draining ? 2 : 0) + (slice.addressType === 'IPv4' ? 0 : 1)
      const { id } = each.member
      if (ranked < (found.get(id)?.ranked ?? Number.POSITIVE_INFINITY)) found.set(id, { ranked, each })
    }
  }
  return [...found.values()]
    .map(({ each }) => each)
    .sort((a, b) => (a.member.id < b.member.id ? -1 : a.member.id > b.member.id ? 1 : 0))
}

function memberOf(
  slice: EndpointSlice,
  endpoint: Endpoint,
  port: number,
  { member, idPrefix, slotsFromHealth, known }: SliceContext,
): FoundMember | undefined {
  // All addresses of one endpoint are the same process; consumers are to use the first.
  const [address] = endpoint.addresses
  if (address === undefined) return undefined
  const authority = `${address.includes(':') ? `[${address}]` : address}:${port}`
  const id = `${idPrefix}${endpoint.targetRef?.name ?? authority}`
  const { ready, terminating } = endpoint.conditions ?? {}
  // Not known means ready, as the API says.
  const takesWork = (ready ?? true) && !(terminating ?? false)
  const url = `http://${authority}`
  if (!takesWork && !known.has(`${id} ${url}`)) return undefined
  const weight = countIn(slice, weightKey) ?? member.weight
  const slots = countIn(slice, slotsKey)
  return {
    member: {
      ...member,
      id,
      url,
      weight,
      slots: slots ?? member.slots,
      draining: !takesWork,
    },
    slotsFromHealth: slotsFromHealth && slots === undefined,
  }
}

/** A positive integer; anything else counts as not said. */
function countIn({ metadata }: EndpointSlice, key: string): number | undefined {
  const text = metadata.annotations?.[key] ?? metadata.labels?.[key]
  return text !== undefined && /^[1-9]\d{0,5}$/.test(text) ? Number(text) : undefined
}

function portOf(slice: EndpointSlice, wanted: ServiceReference['port']): number | undefined {
  const ports = (slice.ports ?? []).filter(({ protocol }) => (protocol ?? 'TCP') === 'TCP')
  if (typeof wanted === 'string') return ports.find(({ name }) => name === wanted)?.port ?? undefined
  if (typeof wanted === 'number') {
    // No list of ports stands for all ports.
    return !slice.ports || ports.some(({ port }) => port === wanted) ? wanted : undefined
  }
  if (ports.length > 1) {
    const names = ports.map(({ name, port }) => name || port).join(', ')
    throw new RangeError(`the Service has several ports (${names}): name one, as in http://SERVICE:PORT`)
  }
  return ports[0]?.port ?? undefined
}
