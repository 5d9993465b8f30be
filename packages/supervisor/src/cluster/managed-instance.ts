import type { ClusterStatus, Member } from '@asr-cluster/protocol'
import type { SupervisorConfig } from '../config/schema.js'
import { instanceProgram } from '../instance/instance-program.js'
import type { InstanceSpec } from '../instance/plan-instances.js'
import type { StartGate } from '../instance/start-gate.js'
import type { MachineSettings } from '../machine/machine-types.js'
import { createManagedProcess } from '../process/managed-process.js'
import type { ManagedProcess, StateChange } from '../process/managed-process.js'
import type { RunAs, Spawner } from '../process/spawner.js'
import type { Clock } from '../world/clock.js'
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
  gate: StartGate
  user: RunAs | null
  /** Uids that our own instances answer; null for all. */
  allowUsers: readonly number[] | null
  maxBodySize: () => number
  isReserved: (port: number) => boolean
  onChange: (change: StateChange) => void
}

/** One instance: its process, and how the balancer and `status` see it. */
export interface ManagedInstance {
  readonly process: ManagedProcess
  spec(): InstanceSpec
  /** The weight counts at once, everything else from the next life on. */
  setSpec(spec: InstanceSpec): void
  setSupervisorConfig(config: SupervisorConfig): void
  port(): number
  slots(): number | null
  /** Asks the ready process for a sign of life. */
  check(timeoutMs: number, signal: AbortSignal): Promise<void>
  /** Null while it can get no request and has none. */
  member(): Member | null
  status(inFlight: number): ClusterStatus['instances'][number]
}

/** On one GPU the models are loaded one after the other; without one as many at once as there is work for. */
const parallelStarts = { gpu: 1, cpu: 4 }

export function createManagedInstance(options: ManagedInstanceOptions): ManagedInstance {
  const { bus, gate } = options
  const { id } = options.spec
  let spec = options.spec
  let { supervisor } = options
  const program = instanceProgram({
    spec: () => spec,
    command: options.command,
    clusterId: options.clusterId,
    user: options.user,
    allowUsers: options.allowUsers,
    maxBodySize: options.maxBodySize,
    isReserved: options.isReserved,
    onProgress: ({ stage, ratio, detail }) => bus.emit({ type: 'progress', id, stage, ratio, detail }),
    onNotice: (text) => bus.emit({ type: 'notice', level: 'warn', id, text }),
  })
  const settings = (): MachineSettings =>
    machineSettings(supervisor, spec.command === null ? 'message' : 'probe')
  const managed = createManagedProcess({
    program: {
      ...program,
      async prepare() {
        managed.setSettings(settings())
        const limit = spec.gpu === null ? parallelStarts.cpu : parallelStarts.gpu
        // Waiting for its turn is no failure to start.
        await gate.enter(id, spec.gpu ?? 'cpu', limit, () => managed.dispatch({ type: 'progress' }))
        return program.prepare()
      },
    },
    settings: settings(),
    spawner: options.spawner,
    clock: options.clock,
    random: options.random,
    log: options.logs.get(id),
    onChange(change) {
      if (change.from === 'starting') gate.leave(id)
      options.onChange(change)
    },
  })
  return {
    process: managed,
    spec: () => spec,
    setSpec(next) {
      spec = next
    },
    setSupervisorConfig(config) {
      supervisor = config
      managed.setSettings(settings())
    },
    port: () => program.port() || spec.port,
    slots: () => program.slots(),
    check: (timeoutMs, signal) => program.check(timeoutMs, signal),
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
