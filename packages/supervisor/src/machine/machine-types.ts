import type { InstanceState } from '@asr-cluster/protocol'

/** Why a process is started again; the closed set behind `asr_instance_restarts_total{reason}`. */
export const restartCauses = [
  'crash',
  'start_failed',
  'start_timeout',
  'unresponsive',
  'operator',
  'reload',
  'memory',
  'age',
  'gpu',
] as const
export type RestartCause = (typeof restartCauses)[number]

export interface MachineSettings {
  startTimeoutMs: number
  stopTimeoutMs: number
  drainTimeoutMs: number
  /** Starts tried again after the first one failed. */
  startRetries: number
  backoffBaseMs: number
  backoffCapMs: number
  /** `message`: probe once the process says that it is ready. `probe`: probe from the start. */
  readiness: 'message' | 'probe'
}

export interface MachineState {
  readonly state: InstanceState
  /** Why it is in this state, for people. */
  readonly reason: string
  /** While starting: what the last probe met. */
  readonly obstacle: string | null
  /** When the `deadline` event is due, monotonic milliseconds; null for never. */
  readonly deadline: number | null
  /** What follows when the process is gone: nothing, another start, or the counting of a failure. */
  readonly next: 'stopped' | 'starting' | 'failure'
  /** Of the last end that was asked for or met: why it is started again, or why it was stopped. */
  readonly cause: RestartCause
  /** When it became ready in this life; null before. */
  readonly readyAt: number | null
  /** Starts that failed in a row. */
  readonly failedStarts: number
  /** When lives that were ready for less than `shortLifeMs` ended, within `shortLifeWindowMs`. */
  readonly shortLives: readonly number[]
  /** When lives that had been ready ended by themselves, within `crashWindowMs`. */
  readonly crashes: readonly number[]
  /** How often the process was started again since the supervisor runs. */
  readonly restarts: number
}

export type MachineEvent =
  | { type: 'start' }
  /** Without `cause` somebody asked for it. */
  | { type: 'stop'; drain: boolean; cause?: 'gpu'; reason: string }
  | { type: 'restart'; drain: boolean; cause: RestartCause; reason: string }
  /** SIGKILL now, whatever the state. */
  | { type: 'kill'; reason: string }
  | { type: 'spawned' }
  | { type: 'spawn-failed'; permanent: boolean; message: string }
  | { type: 'progress' }
  | { type: 'said-ready' }
  | { type: 'probe-passed' }
  | { type: 'probe-failed'; message: string }
  /** The running process does not answer any more: it is replaced without a drain. */
  | { type: 'unresponsive'; message: string }
  | { type: 'drained' }
  | { type: 'exited'; code: number | null; signal: string | null; detail: string }
  | { type: 'deadline' }

export type MachineEffect =
  { type: 'spawn' } | { type: 'probe'; afterMs: number } | { type: 'signal'; signal: 'SIGTERM' | 'SIGKILL' }

export interface MachineContext {
  settings: MachineSettings
  /** A sample of the uniform distribution over 0 to 1. */
  random: number
}

export interface Transition {
  state: MachineState
  effects: MachineEffect[]
}
