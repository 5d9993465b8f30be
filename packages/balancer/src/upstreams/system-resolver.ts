import { lookup, resolveSrv } from 'node:dns/promises'
import type { Resolver } from './expand.js'

/** The resolver of the system for addresses, because only it knows search domains and /etc/hosts; DNS for services. */
export const systemResolver: Resolver = {
  async addresses(name) {
    const found = await lookup(name, { all: true })
    return [...new Set(found.map(({ address }) => address))]
  },
  services: (name) => resolveSrv(name),
}
