import { selectInstances, stopInstances, waitUntilReady } from './operation.js'
import type { OperationContext } from './operation.js'

/** Starts instances that are stopped or failed, and waits until they are ready. Throws OperationError. */
export async function startOperation(context: OperationContext, names: readonly string[]): Promise<void> {
  const instances = selectInstances(context.cluster, names)
  for (const { process } of instances) process.dispatch({ type: 'start' })
  await waitUntilReady(context, instances)
}

/** Drains and stops instances; they stay stopped until somebody starts them. Throws OperationError. */
export async function stopOperation(context: OperationContext, names: readonly string[]): Promise<void> {
  await stopInstances(context, selectInstances(context.cluster, names), 'stopped by the operator')
}
