import { Counter, Gauge, Registry } from 'prom-client'
import { instanceStates } from '@asr-cluster/protocol'
import type { ClusterEvent } from './events.js'

/** The supervisor's part of the cluster's `/metrics`; the balancer shows it. */
export interface SupervisorMetrics {
  readonly registry: Registry
  record: (event: ClusterEvent) => void
  /** Series of an instance that is no more. */
  forget(id: string): void
}

export function createSupervisorMetrics(): SupervisorMetrics {
  const registry = new Registry()
  const restarts = new Counter({
    name: 'asr_instance_restarts_total',
    help: 'Times an instance (or the balancer) was started again, by cause.',
    labelNames: ['instance', 'reason'] as const,
    registers: [registry],
  })
  const transitions = new Counter({
    name: 'asr_instance_transitions_total',
    help: 'Changes of state, by the state that was entered.',
    labelNames: ['instance', 'state'] as const,
    registers: [registry],
  })
  const state = new Gauge({
    name: 'asr_instance_state',
    help: '1 for the state that an instance is in, 0 for the others.',
    labelNames: ['instance', 'state'] as const,
    registers: [registry],
  })
  return {
    registry,
    record(event) {
      if (event.type !== 'state') return
      const { id: instance, to, restart } = event
      transitions.inc({ instance, state: to })
      for (const name of instanceStates) state.set({ instance, state: name }, name === to ? 1 : 0)
      if (restart !== null) restarts.inc({ instance, reason: restart })
    },
    forget(instance) {
      for (const name of instanceStates) state.remove({ instance, state: name })
    },
  }
}
