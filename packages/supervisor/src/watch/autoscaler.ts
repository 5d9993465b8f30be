import { decide, initialAutoscaleState } from '../autoscale/decide.js'
import type { AutoscaleSettings, AutoscaleState, Observation } from '../autoscale/decide.js'
import type { ManagedInstance } from '../cluster/managed-instance.js'
import { isAlive, stateOf } from '../cluster/operations/operation.js'
import { scaleGroup } from '../cluster/operations/scale.js'
import { startOperation } from '../cluster/operations/start-stop.js'
import type { ClusterConfig } from '../config/schema.js'
import type { Gpu } from '../gpu/gpu.js'
import { freeBytes } from '../gpu/gpu.js'
import { cpuSecondsByGroup } from '../process/process-table.js'
import { every } from './watch-context.js'
import type { WatchContext } from './watch-context.js'

const intervalMs = 1_000
/** After a try that failed. Below `min` no wishes have to add up, and what fails at once would be tried at each look. */
const pauseMs = 30_000

interface CpuSample {
  at: number
  seconds: number
}

/** Starts and drains instances of each group as the load asks for, if the configuration says so. */
export function watchLoad(
  context: WatchContext,
  readCpuSeconds: () => ReadonlyMap<number, number> = cpuSecondsByGroup,
): () => void {
  const { cluster, clock } = context
  const states = new Map<string, AutoscaleState>()
  const samples = new Map<number, CpuSample>()
  /** By group: no more instances before that. */
  const pausedUntil = new Map<string, number>()

  /** Share of its threads that an instance kept busy since the last look; null at the first one. */
  function cpuUse(instance: ManagedInstance, cpuSeconds: ReadonlyMap<number, number>): number | null {
    const pid = instance.process.pid()
    if (pid === null) return null
    const sample = { at: clock.now(), seconds: cpuSeconds.get(pid) ?? 0 }
    const last = samples.get(pid)
    samples.set(pid, sample)
    if (!last || sample.at <= last.at) return null
    return (sample.seconds - last.seconds) / ((sample.at - last.at) / 1_000) / instance.spec().threads
  }

  const membersOf = (group: string): ManagedInstance[] =>
    cluster.instances().filter((instance) => instance.spec().group === group)

  function observe(group: string, cpuSeconds: ReadonlyMap<number, number>): Observation | null {
    const members = membersOf(group)
    const alive = members.filter(isAlive)
    const ready = members.filter((instance) => instance.process.state().state === 'ready')
    const stats = cluster.stats()
    if (stats === null || ready.length === 0) return null
    const inFlight = members.reduce((sum, { process }) => sum + cluster.inFlight(process.id), 0)
    const uses = ready.flatMap((instance) => cpuUse(instance, cpuSeconds) ?? [])
    const gpus = cluster.machine().gpus
    const used = gpus.filter(({ uuid }) => members.some((instance) => instance.spec().gpu === uuid))
    return {
      at: clock.now(),
      instances: alive.length,
      slotsPerInstance: ready[0]?.slots() ?? 1,
      inFlight,
      // Nobody knows which group a waiting request will go to; its share of the running ones is the best guess.
      queued: stats.inFlight > 0 ? Math.round((stats.queueDepth * inFlight) / stats.inFlight) : 0,
      cpu: uses.length > 0 ? uses.reduce((sum, use) => sum + use, 0) / uses.length : null,
      gpu: used.length > 0 ? Math.max(...used.map(({ utilization }) => utilization ?? 0)) : null,
      gpuRoom: gpuRoom(used, gpus, cluster.instances()),
    }
  }

  function look(): void {
    const config = cluster.config()
    if (!config.autoscale.enabled || context.isShuttingDown()) return
    const cpuSeconds = readCpuSeconds()
    for (const { name } of config.groups) {
      const seen = observe(name, cpuSeconds)
      if (seen === null) {
        keepMinimum(name, config.autoscale.min)
        continue
      }
      const decision = decide(states.get(name) ?? initialAutoscaleState, seen, settingsOf(config))
      states.set(name, decision.state)
      cluster.metrics.recordDesired(name, decision.target)
      // While a scaling or a rollout is under way the load is watched, but nothing is done about it.
      if (decision.target !== seen.instances && context.queue.isIdle()) {
        void apply(name, seen.instances, decision.target, decision.reason)
      }
    }
    const pids = new Set(cluster.instances().map(({ process }) => process.pid()))
    for (const pid of samples.keys()) if (!pids.has(pid)) samples.delete(pid)
  }

  /** Where nobody serves there is no load to go by. What an operator stopped, or scaled away, is not missed. */
  function keepMinimum(group: string, min: number): void {
    const members = membersOf(group)
    const alive = members.filter(isAlive).length
    const target = Math.min(min, alive + members.filter(hasFailed).length)
    if (target > alive && context.queue.isIdle()) void apply(group, alive, target, 'fewer than min')
  }

  async function apply(group: string, from: number, to: number, reason: string): Promise<void> {
    const members = membersOf(group)
    const alive = new Set(idsOf(members.filter(isAlive)))
    const { min, max } = cluster.config().autoscale
    // The dead ones stay, for somebody to look at; they may keep the group from getting larger.
    const size = Math.min(members.length + to - alive.size, Math.max(max, members.length))
    // Only the minimum is worth the trouble of trying them again.
    const again = members.filter(hasFailed).slice(0, Math.max(0, Math.min(to, min) - alive.size))
    if (size === members.length && again.length === 0) return
    if (to > from && clock.now() < (pausedUntil.get(group) ?? 0)) return
    const say = (level: 'info' | 'warn', text: string): void =>
      cluster.bus.emit({ type: 'notice', level, id: null, text: `autoscale ${group}: ${text}` })
    say('info', `${from} → ${to} (${reason})`)
    try {
      const isSame = size === members.length
      const name = isSame ? `start ${idsOf(again).join(' ')}` : `scale ${group}=${size}`
      await context.queue.run(`${name} (autoscale)`, () =>
        isSame ? startOperation(context, idsOf(again)) : scaleGroup(context, group, size, alive),
      )
    } catch (error) {
      // The wishes so far asked for what cannot be had; they have to add up again before the next try.
      states.delete(group)
      pausedUntil.set(group, clock.now() + pauseMs)
      if (!context.isShuttingDown()) say('warn', (error as Error).message)
    }
  }

  return every(clock, () => intervalMs, look)
}

const hasFailed = (instance: ManagedInstance): boolean => stateOf(instance) === 'failed'

const idsOf = (instances: readonly ManagedInstance[]): string[] => instances.map(({ process }) => process.id)

/**
 * How many more instances fit into the GPUs, taking each for as big as those that run there: memory in use by the number
 * of instances on the fullest of them. Null where there are none to go by.
 */
export function gpuRoom(
  used: readonly Gpu[],
  all: readonly Gpu[],
  instances: readonly Pick<ManagedInstance, 'spec'>[],
): number | null {
  const sizes = used.map((gpu) => {
    const count = instances.filter((instance) => instance.spec().gpu === gpu.uuid).length
    return (gpu.memoryUsedBytes ?? 0) / Math.max(1, count)
  })
  const size = Math.max(0, ...sizes)
  return size === 0 ? null : all.reduce((sum, gpu) => sum + Math.floor(freeBytes(gpu) / size), 0)
}

function settingsOf({ autoscale }: ClusterConfig): AutoscaleSettings {
  return {
    min: autoscale.min,
    max: autoscale.max,
    targetUtilization: autoscale.targetUtilization,
    signals: autoscale.signals,
    upAfterMs: autoscale.upAfter,
    downAfterMs: autoscale.downAfter,
  }
}
