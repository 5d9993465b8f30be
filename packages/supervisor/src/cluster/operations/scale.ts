import { planInstances } from '../../instance/plan-instances.js'
import type { Cluster } from '../cluster.js'
import type { ManagedInstance } from '../managed-instance.js'
import { deadIds, OperationError, retireInstances, waitUntilReady } from './operation.js'
import type { OperationContext } from './operation.js'

export const largestGroup = 64

/** Reads `6` (the only group) or `GROUP=6`. Throws OperationError. */
export function parseTarget(cluster: Cluster, text: string): { group: string; count: number } {
  const match = /^(?:([a-z][a-z0-9-]*)=)?(\d+)$/.exec(text)
  if (!match) throw new OperationError(`expected N or GROUP=N, got \`${text}\``)
  const names = cluster.config().groups.map(({ name }) => name)
  if (match[1] === undefined && names.length > 1) {
    throw new OperationError(`there are several groups (${names.join(', ')}): say GROUP=N`)
  }
  const group = match[1] ?? (names[0] as string)
  if (!names.includes(group)) {
    throw new OperationError(`there is no group \`${group}\`; there are ${names.join(', ')}`)
  }
  const count = Number(match[2])
  if (count > largestGroup) throw new OperationError(`at most ${largestGroup} instances per group`)
  return { group, count }
}

/**
 * Brings a group to a number of instances: starts new ones and waits for them, or drains those that are in `goFirst`
 * (the dead ones, unless told otherwise) and then those with the highest numbers. New ones that do not come up are taken
 * away again. Throws OperationError.
 */
export async function scaleGroup(
  context: OperationContext,
  group: string,
  count: number,
  goFirst: ReadonlySet<string> = deadIds(context.cluster),
): Promise<void> {
  const { cluster } = context
  const before = cluster.counts.get(group)
  cluster.counts.set(group, count)
  let added: ManagedInstance[] = []
  try {
    const specs = planInstances({
      config: cluster.config(),
      counts: cluster.counts,
      machine: cluster.machine(),
      clientsPort: cluster.port,
      existing: cluster.instances().map((instance) => instance.spec()),
      goFirst,
    }).filter((spec) => spec.group === group)
    const surplus = cluster
      .instances()
      .filter(
        (instance) => instance.spec().group === group && !specs.some(({ id }) => id === instance.process.id),
      )
    added = specs.filter(({ id }) => !cluster.instance(id)).map((spec) => cluster.addInstance(spec))
    for (const { process } of added) process.dispatch({ type: 'start' })
    await waitUntilReady(context, added)
    await retireInstances(context, surplus, 'scaled down')
  } catch (error) {
    if (before === undefined) cluster.counts.delete(group)
    else cluster.counts.set(group, before)
    if (error instanceof OperationError && !context.isShuttingDown()) {
      await retireInstances(context, added, 'not scaled up')
    }
    throw error
  }
}
