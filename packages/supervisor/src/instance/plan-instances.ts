import { basename } from 'node:path'
import type { ServedGroup } from '@asr-cluster/protocol'
import type { ClusterConfig, GroupConfig } from '../config/schema.js'
import { instancesPerGpu } from '../gpu/instances-per-gpu.js'
import { readModelSize } from '../gpu/memory-need.js'
import { placeGpu } from '../gpu/place-gpu.js'
import type { Gpu } from '../gpu/gpu.js'
import { numbersFor } from './group-numbers.js'
import { placeCpus } from './place-cpus.js'
import { placePort } from './place-port.js'

/** Everything that one instance is started with. */
export interface InstanceSpec {
  id: string
  group: string
  index: number
  model: string
  /** Further names of the model. */
  aliases: readonly string[]
  quantization: GroupConfig['quantization']
  /** Port it should have; 0 for any. */
  port: number
  weight: number
  slots: number | 'auto'
  threads: number
  /** UUID (or index, where the driver names none) of the GPU; null for none. */
  gpu: string | null
  /** Cores that it is pinned to; null for all. */
  cpuSet: readonly number[] | null
  device: GroupConfig['device']
  env: Record<string, string>
  command: readonly string[] | null
  healthPath: string
  /** Largest request that it takes: the balancer's limit, which it must not undercut. */
  maxBodyBytes: number
  /** What it takes on its GPU; `auto`: by the size of the model. */
  gpuMemory: number | 'auto'
}

/** What a plan needs to know of the machine. */
export interface Machine {
  /** Numbers of the cores that we may use. */
  cores: readonly number[]
  gpus: readonly Gpu[]
}

export interface PlanRequest {
  config: ClusterConfig
  /** Number of instances by group, where it is not that of the configuration. */
  counts: ReadonlyMap<string, number>
  machine: Machine
  /** Where the balancer listens. */
  clientsPort: number
  /** Instances that are there; they keep what they have but for the weight. */
  existing: readonly InstanceSpec[]
  /** Instances that are there and are planned anew; they keep their numbers. */
  outdated?: readonly InstanceSpec[]
  /** Ids of those that go first where a group gets smaller. */
  goFirst?: ReadonlySet<string>
}

/** Which instances there should be. Reads only the size of models, for `auto`. Throws NoSuchGpuError. */
export function planInstances({
  config,
  counts,
  machine,
  clientsPort,
  existing,
  outdated = [],
  goFirst = new Set(),
}: PlanRequest): InstanceSpec[] {
  const wanted = config.groups.flatMap((group) => {
    const count = counts.get(group.name) ?? countInstances(group, machine)
    const members = [...existing, ...outdated]
      .filter((spec) => spec.group === group.name)
      .map(({ id, index }) => ({ index, goesFirst: goFirst.has(id) }))
    return numbersFor(members, count).map((index) => ({ group, index, id: `${group.name}-${index}` }))
  })
  const planned: InstanceSpec[] = []
  const others = (): InstanceSpec[] => [...existing, ...planned]
  const pendingGpus = new Map<string, number>()
  for (const { group, index, id } of wanted) {
    const kept = existing.find((spec) => spec.id === id)
    const weight = group.weights[index % group.weights.length] as number
    if (kept) {
      planned.push({ ...kept, weight })
      continue
    }
    const spec = newSpec(group, index, id, {
      weight,
      total: wanted.length,
      machine,
      clientsPort,
      maxBodyBytes: config.balancer.maxBodySize,
      others: others(),
      pendingGpus,
    })
    if (spec.gpu !== null) pendingGpus.set(spec.gpu, (pendingGpus.get(spec.gpu) ?? 0) + 1)
    planned.push(spec)
  }
  return planned
}

interface Surroundings {
  weight: number
  /** Instances of the whole cluster, which share the cores. */
  total: number
  machine: Machine
  clientsPort: number
  maxBodyBytes: number
  others: readonly InstanceSpec[]
  pendingGpus: ReadonlyMap<string, number>
}

export function newSpec(group: GroupConfig, index: number, id: string, around: Surroundings): InstanceSpec {
  const { cores, gpus } = around.machine
  const share = Math.max(1, Math.floor(cores.length / Math.max(1, around.total)))
  const threads = group.threads === 'auto' ? share : group.threads
  const gpu = placeGpu(group.gpus, index, gpus, around.pendingGpus)
  const sets = around.others.flatMap(({ cpuSet }) => (cpuSet === null ? [] : [cpuSet]))
  const takenPorts = new Set([around.clientsPort, ...around.others.map(({ port }) => port)])
  return {
    id,
    group: group.name,
    index,
    model: group.model,
    aliases: group.aliases,
    quantization: group.quantization,
    port: placePort(group.basePort, index, takenPorts),
    weight: around.weight,
    slots: group.slots,
    threads,
    gpu,
    cpuSet: group.cpus === 'exclusive' && gpu === null ? placeCpus(threads, cores, sets) : null,
    device: group.gpus === 'none' ? 'cpu' : group.device,
    env: Object.fromEntries(Object.entries(group.env).map(([name, value]) => [name, String(value)])),
    command: group.command ?? null,
    healthPath: group.healthPath,
    maxBodyBytes: around.maxBodyBytes,
    gpuMemory: group.gpuMemory,
  }
}

export function countInstances(group: GroupConfig, { cores, gpus }: Machine): number {
  if (group.instances !== 'auto') return group.instances
  const perGpu = instancesPerGpu(group.command || group.device === 'cpu' ? null : readModelSize(group.model))
  if (Array.isArray(group.gpus)) return perGpu * group.gpus.length
  if (group.gpus === 'auto' && gpus.length > 0) return perGpu * gpus.length
  return Math.max(1, Math.floor(cores.length / 2))
}

/** Names by which a client may ask for the model of an instance. `reported` is what the instance calls it. */
export function modelNames(spec: InstanceSpec, reported: string | null): string[] {
  // A foreign server has its own model, and what our default is called must not name it. No folder: clients see the names.
  const own = spec.command === null ? [basename(spec.model)] : []
  return [...new Set([...(reported === null ? [] : [reported]), ...own, spec.group, ...spec.aliases])]
}

export function servedGroup(spec: InstanceSpec): ServedGroup {
  return { group: spec.group, models: modelNames(spec, null) }
}
