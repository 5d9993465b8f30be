import type { Clock } from '../clock.js'
import type { Random } from '../policy/index.js'
import { DnsSource } from './dns-source.js'
import type { Resolver } from './expand.js'
import { fixedSource } from './fixed-source.js'
import { apiAccess, type Surroundings } from './kubernetes/api-access.js'
import { ApiClient } from './kubernetes/api-client.js'
import { KubernetesSource } from './kubernetes/kubernetes-source.js'
import type { Upstream } from './parse-upstream.js'
import type { MemberSource } from './source.js'

export interface SourceOptions {
  resolver: Resolver
  clock: Clock
  random: Random
  /** Between two looks at a name whose TTL is not known. */
  intervalMs: number
  /** Where the way to the API server is looked for. */
  surroundings: Surroundings
}

/** Throws ConfigurationError when a Service is to be followed and there is no way to an API server. */
export function createSource(upstream: Upstream, options: SourceOptions): MemberSource {
  if (upstream.kind === 'address') return fixedSource(upstream)
  if (upstream.kind !== 'kubernetes') return new DnsSource(upstream, options)
  const access = apiAccess(options.surroundings)
  return new KubernetesSource(upstream, {
    api: new ApiClient(access, options.random),
    namespace: access.namespace,
    clock: options.clock,
    random: options.random,
  })
}
