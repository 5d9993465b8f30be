import type { MachineState } from '../../machine/machine-types.js'
import type { Cluster } from '../cluster.js'
import type { ManagedInstance } from '../managed-instance.js'

/** What an operation works with. */
export interface OperationContext {
  cluster: Cluster
  /** Says a line to whoever asked for the operation. */
  say: (line: string) => void
  /** True from the moment the whole cluster goes down: then no operation goes on. */
  isShuttingDown: () => boolean
}

/** The operation cannot be done, or went wrong; the message is for the operator. */
export class OperationError extends Error {
  override name = 'OperationError'
}

/** Throws OperationError when the cluster goes down: what an operation starts then nobody would stop. */
export function goOnOrShutdown(context: Pick<OperationContext, 'isShuttingDown'>): void {
  if (context.isShuttingDown()) throw new OperationError('the cluster is shutting down')
}

/** `until` that also ends when the cluster goes down. Throws OperationError then. */
export function untilOrShutdown(context: OperationContext, condition: () => boolean): Promise<void> {
  return context.cluster.until(() => {
    goOnOrShutdown(context)
    return condition()
  })
}

/** Instances by id or by group; all of them for an empty list. Throws OperationError for an unknown name. */
export function selectInstances(cluster: Cluster, names: readonly string[]): ManagedInstance[] {
  const all = cluster.instances()
  if (names.length === 0) return all
  const selected = names.flatMap((name) => {
    const found = all.filter((instance) => instance.process.id === name || instance.spec().group === name)
    if (found.length > 0) return found
    const known = all.map((instance) => instance.process.id).join(', ')
    throw new OperationError(`there is no instance or group \`${name}\`; there are ${known}`)
  })
  return [...new Set(selected)]
}

export const stateOf = (instance: ManagedInstance): string => instance.process.state().state

/** Ready, or on its way to it, be it by way of an end. */
export function isAlive(instance: ManagedInstance): boolean {
  const { state, next } = instance.process.state()
  if (state === 'draining' || state === 'stopping') return next !== 'stopped'
  return state === 'ready' || state === 'starting' || state === 'backoff'
}

/** Ids of the instances that are not alive: they go first where a group gets smaller. */
export function deadIds(cluster: Cluster): Set<string> {
  const dead = cluster.instances().filter((instance) => !isAlive(instance))
  return new Set(dead.map(({ process }) => process.id))
}

/** Waits until each is ready, failed, or waits for something itself. Throws OperationError naming those that are not ready. */
export async function waitUntilReady(
  context: OperationContext,
  instances: readonly ManagedInstance[],
): Promise<void> {
  const isSettled = (instance: ManagedInstance): boolean =>
    ['ready', 'failed', 'stopped'].includes(stateOf(instance)) || instance.waitingFor() !== null
  await untilOrShutdown(context, () => instances.every(isSettled))
  const missing = instances.filter((instance) => stateOf(instance) !== 'ready')
  if (missing.length > 0) throw new OperationError(missing.map(describeFailure).join('\n'))
}

/** Why an instance is not there, with its last words. */
export function describeFailure(instance: ManagedInstance): string {
  const { state, reason } = instance.process.state()
  const waitingFor = instance.waitingFor()
  if (waitingFor !== null) return `${instance.process.id} is ${state}: ${waitingFor}`
  const stderr = instance.process.lastEnd()?.stderr ?? []
  return [`${instance.process.id} is ${state}: ${reason}`, ...stderr.map((line) => `  | ${line}`)].join('\n')
}

/** Drains and stops; resolves once the processes are gone. Throws OperationError when one is started again meanwhile. */
export async function stopInstances(
  context: OperationContext,
  instances: readonly ManagedInstance[],
  reason: string,
): Promise<void> {
  for (const { process } of instances) process.dispatch({ type: 'stop', drain: true, reason })
  await untilOrShutdown(context, () => {
    const back = instances.filter((instance) => !isEnding(instance.process.state()))
    if (back.length > 0) {
      const ids = back.map(({ process }) => process.id).join(', ')
      throw new OperationError(`something else started ${ids} again, which should have stopped (${reason})`)
    }
    return instances.every((instance) => stateOf(instance) === 'stopped')
  })
}

/** False for what will not come to a stop by itself: waiting for that would keep every later operation waiting too. */
function isEnding({ state, next }: MachineState): boolean {
  return state === 'stopped' || ((state === 'draining' || state === 'stopping') && next === 'stopped')
}

/** Stops instances and takes them off the list. */
export async function retireInstances(
  context: OperationContext,
  instances: readonly ManagedInstance[],
  reason: string,
): Promise<void> {
  await stopInstances(context, instances, reason)
  for (const { process } of instances) context.cluster.removeInstance(process.id)
}
