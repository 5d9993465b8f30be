import type { ListeningSocket } from '../balancer/listening-socket.js'
import type { ClusterConfig } from '../config/schema.js'
import type { GpuInventory } from '../gpu/gpu-inventory.js'
import type { Machine } from '../instance/plan-instances.js'
import type { RunAs, Spawner } from '../process/spawner.js'
import type { Clock } from '../world/clock.js'
import type { EventBus } from './events.js'

/** Program and leading arguments of each of our programs. */
export interface ProgramCommands {
  instance: readonly string[]
  balancer: readonly string[]
  /** `asr-cluster` itself, for what is done beside the cluster. */
  cli: readonly string[]
}

export interface ClusterOptions {
  bus: EventBus
  config: ClusterConfig
  /** Folder of the logs: that of the configuration, unless another cluster has it. */
  logsDir: string
  /** Unique to this run: it marks our processes. */
  clusterId: string
  socket: ListeningSocket
  commands: ProgramCommands
  /** What the machine has, now. */
  machine: () => Machine
  gpus: Pick<GpuInventory, 'list' | 'subscribe'>
  user: RunAs | null
  /** Uids that our own instances answer; null for all. */
  allowUsers: readonly number[] | null
  spawner: Spawner
  clock: Clock
  random: () => number
}
