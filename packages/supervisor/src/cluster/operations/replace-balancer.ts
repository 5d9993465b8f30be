import type { BalancerSettings } from '../../config/schema.js'
import type { ManagedProcess } from '../../process/managed-process.js'
import { OperationError, untilOrShutdown } from './operation.js'
import type { OperationContext } from './operation.js'

/**
 * Starts a new balancer on the same listening socket beside the old one, and lets the old one finish what it has.
 * If the new one does not come up the old one stays. Throws OperationError then.
 */
export async function replaceBalancer(context: OperationContext, settings: BalancerSettings): Promise<void> {
  const { cluster } = context
  const next = cluster.balancers.startNext(settings)
  const state = (process: ManagedProcess): string => process.state().state
  await untilOrShutdown(context, () => ['ready', 'failed', 'backoff'].includes(state(next)))
  if (state(next) !== 'ready') {
    const { reason } = next.state()
    next.dispatch({ type: 'kill', reason })
    await untilOrShutdown(context, () => ['stopped', 'failed'].includes(state(next)))
    cluster.balancers.abandonNext()
    throw new OperationError(`the new balancer does not come up: ${reason}`)
  }
  // The new one serves; how long clients keep connections to the old one open is no concern of the operation.
  cluster.balancers.promote()
}
