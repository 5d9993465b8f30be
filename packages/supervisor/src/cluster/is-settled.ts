import type { InstanceState } from '@asr-cluster/protocol'

export interface InstanceStart {
  state: InstanceState
  /** For something that may never come, such as memory. */
  isWaiting: boolean
}

/**
 * Whether the start of a cluster is over: nothing goes on loading whose end would tell more. One that crashes again and
 * again, waits, or was stopped by the operator must not keep the others from being announced. Pure.
 */
export function isSettled(balancer: InstanceState, instances: readonly InstanceStart[]): boolean {
  const isUsable = instances.some(({ state, isWaiting }) => state === 'ready' && !isWaiting)
  const areSettled = instances.every(
    ({ state, isWaiting }) =>
      ['ready', 'failed', 'stopped'].includes(state) || (isUsable && (isWaiting || state === 'backoff')),
  )
  // Without anything to serve there is no balancer to wait for.
  return areSettled && (balancer === 'ready' || instances.every(({ state }) => state === 'failed'))
}
