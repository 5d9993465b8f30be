import type { Member } from '@asr-cluster/protocol'
import type { Upstream } from './parse-upstream.js'

export interface ServiceTarget {
  name: string
  port: number
  priority: number
  weight: number
}

export interface Addresses {
  addresses: string[]
  /** Shortest time that one of them may be kept; undefined when nobody says. */
  ttlMs?: number | undefined
}

/** What a name stands for at the moment. */
export interface Resolver {
  /** IPv4 and IPv6 addresses; rejects when there are none. */
  addresses(name: string): Promise<Addresses>
  services(name: string): Promise<ServiceTarget[]>
}

export interface Expanded {
  /** In a stable order. */
  members: Member[]
  ttlMs?: number | undefined
}

/** The members behind the name of one `dns` or `srv` upstream. Rejects when it cannot be resolved. */
export async function expandUpstream({ kind, member }: Upstream, resolver: Resolver): Promise<Expanded> {
  const { hostname, port } = new URL(member.url)
  if (kind === 'dns') {
    const { addresses, ttlMs } = await resolver.addresses(hostname)
    const members = [...addresses]
      .sort()
      .map((address) => memberAt(member, address, port || '80', member.weight))
    return { members, ttlMs }
  }
  const all = await resolver.services(hostname)
  // Targets of a higher number are spares (RFC 2782); they come in when the others leave the record.
  const best = Math.min(...all.map((target) => target.priority))
  const members = all
    .filter((target) => target.priority === best)
    .sort((a, b) => (a.name === b.name ? a.port - b.port : a.name < b.name ? -1 : 1))
    .map((target) =>
      memberAt(member, target.name, String(target.port), member.weight * Math.max(1, target.weight)),
    )
  return { members }
}

function memberAt(member: Member, host: string, port: string, weight: number): Member {
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`
  return { ...member, id: `${member.id}-${authority}`, url: `http://${authority}`, weight }
}
