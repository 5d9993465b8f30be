import type { RestartCause } from '../../machine/machine-types.js'
import type { ManagedInstance } from '../managed-instance.js'
import { replaceBalancer } from './replace-balancer.js'
import {
  describeFailure,
  isAlive,
  OperationError,
  selectInstances,
  stateOf,
  untilOrShutdown,
  waitUntilReady,
} from './operation.js'
import type { OperationContext } from './operation.js'

/**
 * Drains and restarts instances, all at once or one after the other: those that are named, or all that are not stopped.
 * `balancer` as a name hands the port over to a new balancer. Throws OperationError.
 */
export async function restartOperation(
  context: OperationContext,
  names: readonly string[],
  rolling: boolean,
): Promise<void> {
  const others = names.filter((name) => name !== 'balancer')
  if (others.length < names.length) await replaceBalancer(context, context.cluster.config())
  if (names.length > 0 && others.length === 0) return
  const selected = selectInstances(context.cluster, others)
  const instances = selected.filter((instance) => others.length > 0 || !isStopped(instance))
  for (const { process } of selected.filter((instance) => !instances.includes(instance))) {
    context.say(`${process.id} is stopped and stays so: \`start\` it, or name it`)
  }
  if (rolling) return rollInstances(context, instances, 'operator', 'rolling restart')
  for (const { process } of instances) {
    process.dispatch({ type: 'restart', drain: true, cause: 'operator', reason: 'restarted by the operator' })
  }
  await untilOrShutdown(context, () => instances.every(hasLeft))
  await waitUntilReady(context, instances)
}

/**
 * Restarts one after the other, each once all that were ready at the beginning are ready again. Stops at the first one
 * that does not come back, be it one that was not restarted here. `prepare` is called before each restart. Throws
 * OperationError.
 */
export async function rollInstances(
  context: OperationContext,
  instances: readonly ManagedInstance[],
  cause: RestartCause,
  reason: string,
  prepare: (instance: ManagedInstance) => void = () => {},
): Promise<void> {
  const { cluster, say } = context
  const isReady = (instance: ManagedInstance): boolean => stateOf(instance) === 'ready'
  const initiallyReady = cluster.instances().filter(isReady)
  for (const [index, instance] of instances.entries()) {
    const others = initiallyReady.filter((other) => other !== instance)
    await untilOrShutdown(context, () => {
      const lost = others.find(isLost)
      if (lost) throw stoppedThere(describeFailure(lost), instances.length - index)
      // Another one may have crashed meanwhile: then this one is needed.
      return others.every(isReady) || !isReady(instance)
    })
    prepare(instance)
    instance.process.dispatch({ type: 'restart', drain: true, cause, reason })
    await untilOrShutdown(context, () => hasLeft(instance))
    try {
      await waitUntilReady(context, [instance])
    } catch (error) {
      if (!(error instanceof OperationError)) throw error
      throw stoppedThere(error.message, instances.length - index - 1)
    }
    say(`${index + 1} of ${instances.length} restarted`)
  }
}

const isStopped = (instance: ManagedInstance): boolean => !isAlive(instance) && stateOf(instance) !== 'failed'

/** True where waiting for it may never end. */
function isLost(instance: ManagedInstance): boolean {
  return ['failed', 'stopped'].includes(stateOf(instance)) || instance.waitingFor() !== null
}

function stoppedThere(why: string, rest: number): OperationError {
  return new OperationError(`${why}\nstopped there; ${rest} not restarted`)
}

/** True once the old life is over, so that `ready` means the new one. */
function hasLeft(instance: ManagedInstance): boolean {
  const state = stateOf(instance)
  return state !== 'draining' && state !== 'stopping'
}
