import type { InstanceState } from '@asr-cluster/protocol'
import type { ProgramLog } from '../logs/program-log.js'
import type { MachineEvent, MachineSettings, MachineState, RestartCause } from '../machine/machine-types.js'
import { initialState, transition } from '../machine/transition.js'
import type { Clock } from '../world/clock.js'
import { SpawnError } from './spawner.js'
import type { ChildHandle, ExitInfo, Spawner, SpawnRequest } from './spawner.js'

/** What is special about one kind of supervised process. */
export interface Program {
  readonly id: string
  /** Called before each life. May throw SpawnError. */
  prepare(): Promise<SpawnRequest>
  /** Rejects with an Error whose message says what is missing. */
  probe(signal: AbortSignal): Promise<void>
  /** What the child said; may dispatch `progress` and `said-ready`. */
  onMessage(message: unknown, process: ManagedProcess): void
  onSpawned?(process: ManagedProcess): void
  /** Last words of this life, for the death report; null if there were none. */
  lastWords?(): string | null
  /** The exit code has this meaning for the program; null for none in particular. */
  explainExit?(exit: ExitInfo): string | null
}

export interface LifeEnd {
  at: string
  code: number | null
  signal: string | null
  reason: string
  stderr: string[]
}

export interface StateChange {
  id: string
  from: InstanceState
  to: InstanceState
  reason: string
  pid: number | null
  /** Set when a process is started again. */
  restart: RestartCause | null
}

export interface ManagedProcessOptions {
  program: Program
  settings: MachineSettings
  spawner: Spawner
  clock: Clock
  random: () => number
  log: ProgramLog
  onChange: (change: StateChange) => void
  /** This life may not be signalled, because it runs as somebody else; said once for each. */
  onDenied?: (pid: number) => void
}

export interface ManagedProcess {
  readonly id: string
  state(): MachineState
  pid(): number | null
  uptimeSeconds(): number | null
  lastEnd(): LifeEnd | null
  dispatch(event: MachineEvent): void
  send(message: object): void
  /** New settings count from the next transition on. */
  setSettings(settings: MachineSettings): void
}

/** Runs the machine of one process: it alone changes the state, one event after the other. */
export function createManagedProcess(options: ManagedProcessOptions): ManagedProcess {
  const { program, spawner, clock, log } = options
  let settings = options.settings
  let state = initialState()
  let child: ChildHandle | null = null
  let spawnedAt = 0
  let lastEnd: LifeEnd | null = null
  let cancelTimer = (): void => {}
  let cancelProbe = (): void => {}
  /** Grows with each life, so that what belongs to a former one is known and dropped. */
  let life = 0
  let isSpawning = false
  let isDenied = false
  const queue: MachineEvent[] = []
  let isDispatching = false

  const self: ManagedProcess = {
    id: program.id,
    state: () => state,
    pid: () => child?.pid ?? null,
    uptimeSeconds: () => (child ? (clock.now() - spawnedAt) / 1_000 : null),
    lastEnd: () => lastEnd,
    dispatch,
    send: (message) => child?.send(message),
    setSettings(next) {
      settings = next
    },
  }
  return self

  function dispatch(event: MachineEvent): void {
    queue.push(event)
    if (isDispatching) return
    isDispatching = true
    try {
      for (let next = queue.shift(); next; next = queue.shift()) apply(next)
    } finally {
      isDispatching = false
    }
  }

  function apply(event: MachineEvent): void {
    const before = state
    const result = transition(before, event, clock.now(), { settings, random: options.random() })
    state = result.state
    if (state.deadline !== before.deadline) armTimer()
    if (state.state !== 'starting') cancelProbe()
    if (state.state !== before.state) {
      const restart = state.restarts > before.restarts ? state.cause : null
      options.onChange({
        id: program.id,
        from: before.state,
        to: state.state,
        reason: state.reason,
        pid: self.pid(),
        restart,
      })
    }
    for (const effect of result.effects) {
      if (effect.type === 'spawn') void spawn()
      else if (effect.type === 'probe') scheduleProbe(effect.afterMs)
      else signal(effect.signal)
    }
  }

  function armTimer(): void {
    cancelTimer()
    const { deadline } = state
    if (deadline === null) return
    cancelTimer = clock.after(deadline - clock.now(), () => {
      // A timer may fire a fraction of a millisecond early on the monotonic clock.
      if (state.deadline !== null && clock.now() < state.deadline) armTimer()
      else dispatch({ type: 'deadline' })
    })
  }

  async function spawn(): Promise<void> {
    life += 1
    const current = life
    isSpawning = true
    isDenied = false
    log.forgetErrorLines()
    try {
      const request = await program.prepare()
      // Stopped meanwhile: the life ends before it began.
      if (state.state !== 'starting') return endUnborn()
      const spawned = await spawner.spawn(request)
      isSpawning = false
      adopt(spawned, current)
    } catch (error) {
      if (state.state !== 'starting') return endUnborn()
      isSpawning = false
      const message = error instanceof Error ? error.message : String(error)
      lastEnd = report({ code: null, signal: null }, message)
      dispatch({ type: 'spawn-failed', permanent: error instanceof SpawnError && error.permanent, message })
    }
  }

  function endUnborn(): void {
    isSpawning = false
    dispatch({ type: 'exited', code: null, signal: null, detail: state.reason })
  }

  function adopt(spawned: ChildHandle, current: number): void {
    child = spawned
    spawnedAt = clock.now()
    log.attach(spawned.stdout, 'stdout')
    log.attach(spawned.stderr, 'stderr')
    spawned.onMessage((message) => {
      if (current === life) program.onMessage(message, self)
    })
    void spawned.exited.then((exit) => onExit(exit, spawned))
    if (state.state === 'starting') {
      program.onSpawned?.(self)
      dispatch({ type: 'spawned' })
    } else {
      signal('SIGTERM')
    }
  }

  function onExit(exit: ExitInfo, ended: ChildHandle): void {
    if (child !== ended) return
    const wasStopping = state.state === 'stopping'
    const detail = describeExit(exit, program.explainExit?.(exit) ?? null, program.lastWords?.() ?? null)
    child = null
    lastEnd = report(exit, wasStopping ? state.reason : detail)
    dispatch({ type: 'exited', code: exit.code, signal: exit.signal, detail })
  }

  function report(exit: ExitInfo, reason: string): LifeEnd {
    return { at: clock.wallTime().toISOString(), ...exit, reason, stderr: log.lastErrorLines() }
  }

  function scheduleProbe(afterMs: number): void {
    cancelProbe()
    const abort = new AbortController()
    const cancelDelay = clock.after(afterMs, () => {
      program.probe(abort.signal).then(
        () => !abort.signal.aborted && dispatch({ type: 'probe-passed' }),
        (error: Error) => !abort.signal.aborted && dispatch({ type: 'probe-failed', message: error.message }),
      )
    })
    cancelProbe = () => {
      cancelDelay()
      abort.abort()
    }
  }

  function signal(name: 'SIGTERM' | 'SIGKILL'): void {
    if (!child) {
      if (!isSpawning) endUnborn()
      return
    }
    if (child.signal(name) || isDenied) return
    isDenied = true
    options.onDenied?.(child.pid)
  }
}

export function describeExit(exit: ExitInfo, meaning: string | null, lastWords: string | null): string {
  const how =
    exit.signal !== null
      ? `killed by ${exit.signal}${exit.signal === 'SIGKILL' ? ' (by hand, or out of memory)' : ''}`
      : `exited with code ${exit.code}${meaning === null ? '' : ` (${meaning})`}`
  return lastWords === null ? how : `${how}: ${lastWords}`
}
