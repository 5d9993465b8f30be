import { lookup, resolve4, resolve6, resolveSrv } from 'node:dns/promises'
import type { Resolver } from './expand.js'

type Records = { ttl: number }[]

export interface DnsFunctions {
  lookup: (name: string) => Promise<{ address: string }[]>
  resolve4: (name: string) => Promise<Records>
  resolve6: (name: string) => Promise<Records>
  resolveSrv: Resolver['services']
}

const system: DnsFunctions = {
  lookup: (name) => lookup(name, { all: true }),
  resolve4: (name) => resolve4(name, { ttl: true }),
  resolve6: (name) => resolve6(name, { ttl: true }),
  resolveSrv: (name) => resolveSrv(name),
}

/**
 * Addresses come from the resolver of the system, because only it knows search domains and /etc/hosts, but it tells no
 * TTL: that comes from DNS, if DNS knows the name as it is written.
 */
export function createSystemResolver(dns: DnsFunctions = system): Resolver {
  return {
    async addresses(name) {
      const [found, ...answers] = await Promise.all([
        dns.lookup(name),
        ...[dns.resolve4(name), dns.resolve6(name)].map((answer) => answer.catch((): Records => [])),
      ])
      const ttls = answers.flat().map(({ ttl }) => ttl * 1_000)
      return {
        addresses: [...new Set(found.map(({ address }) => address))],
        ...(ttls.length > 0 ? { ttlMs: Math.min(...ttls) } : {}),
      }
    },
    services: dns.resolveSrv,
  }
}
