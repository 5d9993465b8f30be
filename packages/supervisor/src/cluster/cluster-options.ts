import type { ListeningSocket } from '../balancer/listening-socket.js'
import type { ClusterConfig } from '../config/schema.js'
import type { LogListener } from '../logs/program-log.js'
import type { Machine } from '../instance/plan-instances.js'
import type { Spawner } from '../process/spawner.js'
import type { Clock } from '../world/clock.js'

/** Program and leading arguments of each of our two programs. */
export interface ProgramCommands {
  instance: readonly string[]
  balancer: readonly string[]
}

export interface ClusterOptions {
  config: ClusterConfig
  /** Unique to this run: it marks our processes. */
  clusterId: string
  socket: ListeningSocket
  commands: ProgramCommands
  machine: Machine
  spawner: Spawner
  clock: Clock
  random: () => number
  onLine?: LogListener
}
