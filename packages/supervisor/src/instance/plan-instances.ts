import { basename } from 'node:path'
import type { ClusterConfig, GroupConfig } from '../config/schema.js'

/** Everything that one instance is started with. Two equal specs make the same process. */
export interface InstanceSpec {
  id: string
  group: string
  index: number
  model: string
  quantization: GroupConfig['quantization']
  /** Port it should have; 0 for any. */
  port: number
  weight: number
  slots: number | 'auto'
  threads: number
  /** UUID (or index, where the driver names none) of the GPU; null for none. */
  gpu: string | null
  env: Record<string, string>
  command: readonly string[] | null
  healthPath: string
}

/** What the plan needs to know of the machine. */
export interface Machine {
  cpus: number
}

/** Which instances a configuration asks for. Pure. */
export function planInstances(config: ClusterConfig, machine: Machine): InstanceSpec[] {
  const total = config.groups.reduce((sum, group) => sum + countInstances(group, machine), 0)
  const threads = Math.max(1, Math.floor(machine.cpus / Math.max(1, total)))
  const taken = new Set<number>()
  return config.groups.flatMap((group) =>
    Array.from({ length: countInstances(group, machine) }, (_, index) => ({
      id: `${group.name}-${index}`,
      group: group.name,
      index,
      model: group.model,
      quantization: group.quantization,
      port: takePort(group.basePort, index, taken),
      weight: group.weights[index % group.weights.length] as number,
      slots: group.slots,
      threads: group.threads === 'auto' ? threads : group.threads,
      gpu: null,
      env: Object.fromEntries(Object.entries(group.env).map(([name, value]) => [name, String(value)])),
      command: group.command ?? null,
      healthPath: group.healthPath,
    })),
  )
}

export function countInstances(group: GroupConfig, machine: Machine): number {
  return group.instances === 'auto' ? Math.max(1, Math.floor(machine.cpus / 2)) : group.instances
}

/** Groups may overlap, as they do when both have the default basePort: the later one moves on. */
function takePort(basePort: number, index: number, taken: Set<number>): number {
  if (basePort === 0) return 0
  let port = basePort + index
  while (taken.has(port)) port += 1
  taken.add(port)
  return port
}

/** Names by which a client may ask for the model of an instance. */
export function modelNames(spec: InstanceSpec, reported: string | null): string[] {
  return [
    ...new Set([...(reported === null ? [] : [reported]), basename(spec.model), spec.model, spec.group]),
  ]
}
