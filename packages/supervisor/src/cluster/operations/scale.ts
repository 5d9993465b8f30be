import { planInstances } from '../../instance/plan-instances.js'
import type { InstanceSpec } from '../../instance/plan-instances.js'
import type { Cluster } from '../cluster.js'
import type { ManagedInstance } from '../managed-instance.js'
import { deadIds, OperationError, retireInstances, waitUntilReady } from './operation.js'
import type { OperationContext } from './operation.js'

export const largestGroup = 64

export interface ScaleTarget {
  group: string
  count: number
}

/** Reads `6` (the only group) or `GROUP=6`, each group once. Throws OperationError. */
export function parseTargets(cluster: Cluster, texts: readonly string[]): ScaleTarget[] {
  const targets = texts.map((text) => parseTarget(cluster, text))
  const groups = targets.map(({ group }) => group)
  const twice = groups.find((group, index) => groups.indexOf(group) !== index)
  if (twice !== undefined) throw new OperationError(`the group \`${twice}\` is named twice`)
  return targets
}

function parseTarget(cluster: Cluster, text: string): ScaleTarget {
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
 * Several groups, one after the other as they are given, because the end of one may make room for the next. All or
 * nothing: what was done is undone when a later one cannot be had. Throws OperationError, and what planInstances throws
 * before anything is done.
 */
export async function scaleGroups(context: OperationContext, targets: readonly ScaleTarget[]): Promise<void> {
  const { cluster } = context
  const wanted = targets.map(({ group, count }) => [group, count] as const)
  planFor(cluster, new Map([...cluster.counts, ...wanted]), deadIds(cluster))
  const undo: (() => Promise<void>)[] = []
  for (const { group, count } of targets) {
    const before = cluster.counts.get(group)
    const ids = membersOf(cluster, group).map(({ process }) => process.id)
    try {
      await scaleGroup(context, group, count)
    } catch (error) {
      if (!context.isShuttingDown()) for (const step of undo.toReversed()) await step()
      throw error
    }
    undo.push(async () => {
      const added = membersOf(cluster, group).filter(({ process }) => !ids.includes(process.id))
      await scaleGroup(context, group, ids.length, new Set(added.map(({ process }) => process.id)))
      setCount(cluster, group, before)
    })
  }
}

const membersOf = (cluster: Cluster, group: string): ManagedInstance[] =>
  cluster.instances().filter((instance) => instance.spec().group === group)

function setCount(cluster: Cluster, group: string, count: number | undefined): void {
  if (count === undefined) cluster.counts.delete(group)
  else cluster.counts.set(group, count)
}

function planFor(
  cluster: Cluster,
  counts: ReadonlyMap<string, number>,
  goFirst: ReadonlySet<string>,
): InstanceSpec[] {
  return planInstances({
    config: cluster.config(),
    counts,
    machine: cluster.machine(),
    clientsPort: cluster.port,
    existing: cluster.instances().map((instance) => instance.spec()),
    goFirst,
  })
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
    const specs = planFor(cluster, cluster.counts, goFirst).filter((spec) => spec.group === group)
    const surplus = membersOf(cluster, group).filter(
      ({ process }) => !specs.some(({ id }) => id === process.id),
    )
    added = specs.filter(({ id }) => !cluster.instance(id)).map((spec) => cluster.addInstance(spec))
    for (const { process } of added) process.dispatch({ type: 'start' })
    await waitUntilReady(context, added)
    await retireInstances(context, surplus, 'scaled down')
  } catch (error) {
    setCount(cluster, group, before)
    if (error instanceof OperationError && !context.isShuttingDown()) {
      await retireInstances(context, added, 'not scaled up')
    }
    throw error
  }
}
