import { toBalancerInput } from '../balancer/balancer-input.js'
import type { ClusterConfig, ClusterConfigInput } from './schema.js'

/** The configuration as somebody would have written it, with units; parsing it gives the same configuration. */
export function toInput({ balancer, groups, supervisor }: ClusterConfig): ClusterConfigInput {
  return {
    balancer: toBalancerInput(balancer),
    groups: groups.map((group) => ({ ...group })),
    supervisor: {
      ...supervisor,
      startTimeout: `${supervisor.startTimeout}ms`,
      stopTimeout: `${supervisor.stopTimeout}ms`,
      drainTimeout: `${supervisor.drainTimeout}ms`,
      backoff: { base: `${supervisor.backoff.base}ms`, cap: `${supervisor.backoff.cap}ms` },
      logs: { ...supervisor.logs, maxBytes: `${supervisor.logs.maxBytes}B` },
    },
  }
}
