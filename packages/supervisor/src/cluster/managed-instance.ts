import type { ClusterStatus, Member } from '@asr-cluster/protocol'
import { instanceProgram } from '../instance/instance-program.js'
import type { InstanceSpec } from '../instance/plan-instances.js'
import { createManagedProcess } from '../process/managed-process.js'
import type { ManagedProcess, StateChange } from '../process/managed-process.js'
import type { Spawner } from '../process/spawner.js'
import type { Clock } from '../world/clock.js'
import type { SupervisorConfig } from '../config/schema.js'
import type { EventBus } from './events.js'
import type { LogSet } from './log-set.js'
import { machineSettings } from './machine-settings.js'

export interface ManagedInstanceOptions {
  spec: InstanceSpec
  supervisor: SupervisorConfig
  command: readonly string[]
  clusterId: string
  spawner: Spawner
  clock: Clock
  random: () => number
  logs: LogSet
  bus: EventBus
  isReserved: (port: number) => boolean
  onChange: (change: StateChange) => void
}

/** One instance: its process, and how the balancer and `status` see it. */
export interface ManagedInstance {
  readonly process: ManagedProcess
  spec(): InstanceSpec
  port(): number
  /** Null while it can get no request and has none. */
  member(): Member | null
  status(inFlight: number): ClusterStatus['instances'][number]
}

export function createManagedInstance(options: ManagedInstanceOptions): ManagedInstance {
  const { spec, bus } = options
  const { id } = spec
  const program = instanceProgram({
    spec: () => spec,
    command: options.command,
    clusterId: options.clusterId,
    isReserved: options.isReserved,
    onProgress: ({ stage, ratio, detail }) => bus.emit({ type: 'progress', id, stage, ratio, detail }),
    onNotice: (text) => bus.emit({ type: 'notice', level: 'warn', id, text }),
  })
  const managed = createManagedProcess({
    program,
    settings: machineSettings(options.supervisor, spec.command === null ? 'message' : 'probe'),
    spawner: options.spawner,
    clock: options.clock,
    random: options.random,
    log: options.logs.get(id),
    onChange: options.onChange,
  })
  return {
    process: managed,
    spec: () => spec,
    port: () => program.port() || spec.port,
    member() {
      const { state } = managed.state()
      return state === 'ready' || state === 'draining' ? program.member(state === 'draining') : null
    },
    status(inFlight) {
      const { state, restarts } = managed.state()
      return {
        id,
        group: spec.group,
        model: spec.model,
        pid: managed.pid(),
        port: program.port() || spec.port,
        gpu: spec.gpu,
        state,
        weight: spec.weight,
        slots: program.slots(),
        inFlight,
        restarts,
        uptimeSeconds: managed.uptimeSeconds(),
        lastExit: managed.lastEnd(),
      }
    },
  }
}
