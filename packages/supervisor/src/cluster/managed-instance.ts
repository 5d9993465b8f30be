import type { ClusterStatus, InstanceState, Member } from '@asr-cluster/protocol'
import type { SupervisorConfig } from '../config/schema.js'
import type { MemoryGate } from '../gpu/memory-gate.js'
import { memoryNeed } from '../gpu/memory-need.js'
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
  memoryGate: MemoryGate
  /** What the other instances may take on that GPU. */
  promisedBytes: (gpu: string | null, except: string) => number
  user: RunAs | null
  pciBusId: (gpu: string) => string | null
  /** Uids that our own instances answer; null for all. */
  allowUsers: readonly number[] | null
  isReserved: (port: number) => boolean
  onChange: (change: StateChange) => void
  /** Why it waits has changed. */
  onWaiting: () => void
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
  /** What it may take on its GPU; null where nobody knows. */
  gpuBytes(): number | null
  /** Why its start waits, though nothing is wrong with it; null if it does not. */
  waitingFor(): string | null
  /** Asks the ready process for a sign of life. */
  check(timeoutMs: number, signal: AbortSignal): Promise<void>
  /** Null while it can get no request and has none. */
  member(): Member | null
  status(inFlight: number): ClusterStatus['instances'][number]
}

/** On one GPU the models are loaded one after the other; without one as many at once as there is work for. */
const parallelStarts = { gpu: 1, cpu: 4 }

const hadProcess: ReadonlySet<InstanceState> = new Set(['starting', 'ready', 'draining', 'stopping'])

export function createManagedInstance(options: ManagedInstanceOptions): ManagedInstance {
  const { bus, gate, memoryGate } = options
  const { id } = options.spec
  let spec = options.spec
  let { supervisor } = options
  /** Why its start waits; null if it does not. */
  let waitingFor: string | null = null
  const program = instanceProgram({
    spec: () => spec,
    command: options.command,
    clusterId: options.clusterId,
    user: options.user,
    pciBusId: options.pciBusId,
    allowUsers: options.allowUsers,
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
        await waitForTurn()
        return program.prepare()
      },
    },
    settings: settings(),
    spawner: options.spawner,
    clock: options.clock,
    random: options.random,
    log: options.logs.get(id),
    onDenied: (pid) =>
      notice('warn', `pid ${pid} runs as another user and cannot be signalled; it has to end by itself`),
    onChange(change) {
      if (change.from === 'starting') {
        gate.leave(id)
        memoryGate.leave(id)
        waitingFor = null
      }
      // It took memory, or gave it back.
      if (spec.gpu !== null && hadProcess.has(change.from)) memoryGate.touch(spec.gpu)
      options.onChange(change)
    },
  })
  return {
    process: managed,
    gpuBytes,
    waitingFor: () => waitingFor,
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
        ...(waitingFor === null ? {} : { waitingFor }),
      }
    },
  }

  function gpuBytes(): number | null {
    return spec.gpu === null ? null : memoryNeed(spec)
  }

  /** Until it may load its model: for the GPU's memory and for those that load already. It is no failure to start. */
  async function waitForTurn(): Promise<void> {
    const stillWaits = (): void => managed.dispatch({ type: 'progress' })
    const isWanted = (): boolean => managed.state().state === 'starting'
    const limit = spec.gpu === null ? parallelStarts.cpu : parallelStarts.gpu
    for (let denials = 1; ; denials++) {
      await gate.enter(id, spec.gpu ?? 'cpu', limit, stillWaits)
      const room = await memoryGate.ask(
        {
          id,
          gpu: spec.gpu,
          neededBytes: gpuBytes(),
          promisedBytes: () => options.promisedBytes(spec.gpu, id),
        },
        stillWaits,
      )
      if (room.fits) {
        if (waitingFor !== null) notice('info', 'there is memory now')
        waitingFor = null
        if (room.remark !== null) notice('warn', room.remark)
        return
      }
      if (!isWanted()) return
      // A process that has just ended may be counted once more.
      if (denials > 1 && room.reason !== waitingFor) {
        // Once for each wait: what is used moves all the time.
        if (waitingFor === null) notice('warn', room.reason)
        waitingFor = room.reason
        options.onWaiting()
      }
      // Others may load meanwhile: a smaller model, or an instance that was here before and comes back.
      gate.leave(id)
      await memoryGate.next(id, stillWaits)
      if (!isWanted()) return
    }
  }

  function notice(level: 'info' | 'warn', text: string): void {
    bus.emit({ type: 'notice', level, id, text })
  }
}
