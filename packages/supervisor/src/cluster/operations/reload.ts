import { describeDiff, diffConfig } from '../../config/diff-config.js'
import type { ConfigDiff } from '../../config/diff-config.js'
import type { ClusterConfig } from '../../config/schema.js'
import { planInstances } from '../../instance/plan-instances.js'
import type { InstanceSpec } from '../../instance/plan-instances.js'
import type { Cluster } from '../cluster.js'
import type { ManagedInstance } from '../managed-instance.js'
import {
  deadIds,
  goOnOrShutdown,
  OperationError,
  retireInstances,
  stateOf,
  waitUntilReady,
} from './operation.js'
import type { OperationContext } from './operation.js'
import { replaceBalancer } from './replace-balancer.js'
import { rollInstances } from './restart.js'

export interface ReloadResult {
  changes: string[]
}

/**
 * Brings the cluster to a new configuration and touches only what differs. First everything new has to come up beside
 * the old: added groups, what a group gets more, and of each changed group one instance besides (`GROUP-next`). If
 * anything does not, it is taken away again and nothing has changed. Only then the changed instances are restarted one
 * after the other, with the extra one standing in, and what is not wanted any more is drained. Throws OperationError.
 */
export async function reloadOperation(
  context: OperationContext,
  next: ClusterConfig,
  dryRun: boolean,
): Promise<ReloadResult> {
  const { cluster, say } = context
  const diff = diffConfig(cluster.config(), next, cluster.unfinished)
  const changes = describeDiff(diff)
  // The paths are the same, and what is in the files may differ.
  const mayRenew =
    next.balancer.tls !== undefined && diff.refused.length === 0 && !diff.balancer.includes('tls')
  if (!dryRun && mayRenew && (await cluster.balancers.reloadCertificate())) {
    changes.push('changed  balancer: certificate')
  }
  goOnOrShutdown(context)
  for (const line of changes.length > 0 ? changes : ['nothing changed']) say(line)
  if (diff.refused.length > 0) {
    throw new OperationError(`${diff.refused.join(', ')}: only a new \`asr-cluster up\` can change that`)
  }
  if (dryRun || changes.length === 0) return { changes }
  const previous = { config: cluster.config(), counts: new Map(cluster.counts) }
  const newcomers: ManagedInstance[] = []
  try {
    newcomers.push(...addNewcomers(cluster, next, diff))
    for (const { process } of newcomers) process.dispatch({ type: 'start' })
    await waitUntilReady(context, newcomers)
    if (diff.balancer.length + diff.cache.length > 0) await replaceBalancer(context, next)
    if (diff.auth.length > 0) await cluster.balancers.setApiKeys(next)
    goOnOrShutdown(context)
  } catch (error) {
    if (!context.isShuttingDown()) {
      await retireInstances(context, newcomers, 'the new configuration is not taken')
    }
    throw error
  }
  cluster.setConfig(next)
  for (const name of recounted(diff)) cluster.counts.delete(name)
  await replaceInstances(context, previous, diff, newcomers)
  return { changes }
}

const nextId = (group: string): string => `${group}-next`

const isStandIn = ({ id, group }: InstanceSpec): boolean => id === nextId(group)

/** Groups whose number of instances is that of the new configuration, whatever was asked for before. */
function recounted(diff: ConfigDiff): string[] {
  return [...diff.resized.map(({ group }) => group.name), ...diff.removed.map(({ name }) => name)]
}

function addNewcomers(cluster: Cluster, next: ClusterConfig, diff: ConfigDiff): ManagedInstance[] {
  const counts = new Map(cluster.counts)
  for (const name of recounted(diff)) counts.delete(name)
  const existing = cluster.instances().map((instance) => instance.spec())
  const replaced = diff.changed.map(({ group }) => group.name)
  const added = planFor(cluster, next, counts, existing).filter(({ id }) => !cluster.instance(id))
  const isReplaced = ({ group }: InstanceSpec): boolean => replaced.includes(group)
  const others = existing.filter((spec) => !isReplaced(spec))
  const standIns = planFor(cluster, next, counts, others, existing.filter(isReplaced))
    .filter((spec, index, all) => isReplaced(spec) && isFirstOf(spec, index, all))
    // Beside the instance whose place it takes it cannot have its port.
    .map((spec) => ({ ...spec, id: nextId(spec.group), port: 0 }))
  return [...added, ...standIns].map((spec) => cluster.addInstance(spec))
}

const isFirstOf = (spec: InstanceSpec, index: number, all: readonly InstanceSpec[]): boolean =>
  all.findIndex((other) => other.group === spec.group) === index

function planFor(
  cluster: Cluster,
  config: ClusterConfig,
  counts: ReadonlyMap<string, number>,
  existing: readonly InstanceSpec[],
  outdated: readonly InstanceSpec[] = [],
): InstanceSpec[] {
  return planInstances({
    config,
    counts,
    machine: cluster.machine(),
    clientsPort: cluster.port,
    existing,
    outdated,
    goFirst: deadIds(cluster),
  })
}

/** What a reload goes back to. */
interface Previous {
  config: ClusterConfig
  counts: ReadonlyMap<string, number>
}

async function replaceInstances(
  context: OperationContext,
  previous: Previous,
  diff: ConfigDiff,
  newcomers: readonly ManagedInstance[],
): Promise<void> {
  const { cluster } = context
  const config = cluster.config()
  const renewed = diff.changed.map(({ group }) => group.name)
  // What a changed group got more came up in its new way.
  const isOld = (instance: ManagedInstance): boolean =>
    renewed.includes(instance.spec().group) && !newcomers.includes(instance)
  const kept = cluster.instances().filter((instance) => !isOld(instance) && !isStandIn(instance.spec()))
  const specsOf = (list: readonly ManagedInstance[]): InstanceSpec[] => list.map((one) => one.spec())
  const outdated = cluster.instances().filter(isOld)
  const plan = planFor(cluster, config, cluster.counts, specsOf(kept), specsOf(outdated))
  const isWanted = (instance: ManagedInstance): boolean => plan.some(({ id }) => id === instance.process.id)
  for (const spec of plan) {
    if (!renewed.includes(spec.group)) cluster.instance(spec.id)?.setSpec(spec)
  }
  cluster.sendMembers()
  const isRenewed = (instance: ManagedInstance): boolean => isOld(instance) && isWanted(instance)
  try {
    await renewInstances(context, cluster.instances().filter(isRenewed), plan)
  } catch (error) {
    // One came up beside the old ones, and another one does not: the next reload has to bring the group to what its file
    // says then, be it this or what was before.
    for (const name of renewed) cluster.unfinished.add(name)
    cluster.setConfig({ ...config, groups: [...previous.config.groups, ...diff.added] })
    for (const [name, count] of previous.counts) cluster.counts.set(name, count)
    if (!context.isShuttingDown()) await retireStandIns(context, renewed)
    throw error
  }
  cluster.unfinished.clear()
  const unwanted = cluster.instances().filter((instance) => !isWanted(instance))
  await retireInstances(context, unwanted, 'not in the new configuration')
}

/** Gives each its new spec and restarts it; the one that does not come up gets its old spec back. */
async function renewInstances(
  context: OperationContext,
  instances: readonly ManagedInstance[],
  plan: readonly InstanceSpec[],
): Promise<void> {
  const specOf = (instance: ManagedInstance): InstanceSpec =>
    plan.find(({ id }) => id === instance.process.id) as InstanceSpec
  // What the operator stopped stays stopped, and starts in the new way one day.
  const [idle, running] = [true, false].map((wanted) =>
    instances.filter((instance) => (stateOf(instance) === 'stopped') === wanted),
  ) as [ManagedInstance[], ManagedInstance[]]
  for (const instance of idle) instance.setSpec(specOf(instance))
  let undo = (): void => {}
  try {
    await rollInstances(context, running, 'reload', 'reload', (instance) => {
      const old = instance.spec()
      undo = () => {
        // The roll may have ended for another one, after this one came back in its new way.
        if (stateOf(instance) === 'ready') return
        instance.setSpec(old)
        instance.process.dispatch({ type: 'start' })
      }
      instance.setSpec(specOf(instance))
    })
  } catch (error) {
    if (!context.isShuttingDown()) undo()
    throw error
  }
}

async function retireStandIns(context: OperationContext, groups: readonly string[]): Promise<void> {
  const standIns = groups.flatMap((group) => context.cluster.instance(nextId(group)) ?? [])
  await retireInstances(context, standIns, 'the new configuration is not taken')
}
