import { toBalancerInput } from '../balancer/balancer-input.js'
import type { ClusterConfig, ClusterConfigInput } from './schema.js'

/** The configuration as somebody would have written it, with units; parsing it gives the same configuration. */
export function toInput({
  balancer,
  groups,
  supervisor,
  autoscale,
  cache,
  eval: accuracy,
  auth,
}: ClusterConfig): ClusterConfigInput {
  return {
    balancer: toBalancerInput(balancer),
    groups: groups.map(({ maxMemory, maxAge, gpuMemory, ...group }) => ({
      ...group,
      gpuMemory: gpuMemory === 'auto' ? gpuMemory : `${gpuMemory}B`,
      ...(maxMemory === undefined ? {} : { maxMemory: `${maxMemory}B` }),
      ...(maxAge === undefined ? {} : { maxAge: `${maxAge}ms` }),
    })),
    supervisor: {
      ...supervisor,
      startTimeout: `${supervisor.startTimeout}ms`,
      stopTimeout: `${supervisor.stopTimeout}ms`,
      drainTimeout: `${supervisor.drainTimeout}ms`,
      backoff: { base: `${supervisor.backoff.base}ms`, cap: `${supervisor.backoff.cap}ms` },
      liveness: {
        ...supervisor.liveness,
        interval: `${supervisor.liveness.interval}ms`,
        timeout: `${supervisor.liveness.timeout}ms`,
      },
      logs: { ...supervisor.logs, maxBytes: `${supervisor.logs.maxBytes}B` },
    },
    autoscale: {
      ...autoscale,
      upAfter: `${autoscale.upAfter}ms`,
      downAfter: `${autoscale.downAfter}ms`,
    },
    cache: {
      ...cache,
      maxBytes: `${cache.maxBytes}B`,
      maxDiskBytes: `${cache.maxDiskBytes}B`,
      ...(cache.redis === undefined ? {} : { redis: withoutPassword(cache.redis) }),
    },
    eval: { ...accuracy, interval: `${accuracy.interval}ms` },
    // Hashes: nobody finds a key in what is printed.
    auth: {
      apiKeys: auth.apiKeys,
      ...(auth.apiKeysFile === undefined ? {} : { apiKeysFile: auth.apiKeysFile }),
      adminKeys: auth.adminKeys,
      ...(auth.adminKeysFile === undefined ? {} : { adminKeysFile: auth.adminKeysFile }),
    },
  }
}

function withoutPassword(url: string): string {
  return url.replace(/(:\/\/[^@/]*:)[^@/]*@/, '$1…@')
}
