import { exitCodes } from '@asr-cluster/protocol'
import { judgeCrash, judgeFailedStart } from './backoff.js'
import type { Verdict } from './backoff.js'
import type {
  MachineContext,
  MachineEffect,
  MachineEvent,
  MachineState,
  RestartCause,
  Transition,
} from './machine-types.js'

/** Between two probes of a process that is not ready yet. */
export const probeRetryMs = 150
/** Between two SIGKILLs to a group that is still there: one in an uninterruptible wait dies late. */
export const killRetryMs = 2_000

export function initialState(): MachineState {
  return {
    state: 'stopped',
    reason: 'not started',
    obstacle: null,
    deadline: null,
    next: 'stopped',
    cause: 'operator',
    readyAt: null,
    failedStarts: 0,
    shortLives: [],
    crashes: [],
    restarts: 0,
  }
}

/**
 * The life of one supervised process (an instance, or the balancer). Pure: same input, same output.
 *
 * | state    | event        | next state | effects, remarks                                             |
 * |----------|--------------|------------|--------------------------------------------------------------|
 * | stopped  | start, restart | starting | spawn; the counters of failures begin anew                   |
 * | failed   | start, restart | starting | as above                                                     |
 * | failed   | stop         | stopped    |                                                              |
 * | backoff  | start, restart, deadline | starting | spawn                                              |
 * | backoff  | stop, kill   | stopped    |                                                              |
 * | starting | spawned      | starting   | probe, if readiness is by probe                              |
 * | starting | progress     | starting   | the deadline moves on by startTimeout                        |
 * | starting | said-ready   | starting   | probe                                                        |
 * | starting | probe-failed | starting   | probe again; the deadline ends it                            |
 * | starting | probe-passed | ready      |                                                              |
 * | starting | exited, spawn-failed | backoff, failed | failed after startRetries, exit 78, no such program |
 * | starting | deadline     | stopping   | SIGTERM; counted as a failed start                           |
 * | starting | stop, restart | stopping  | SIGTERM                                                      |
 * | ready    | exited       | backoff, failed | backoff of 0 to 50 ms at first, see judgeCrash          |
 * | ready    | unresponsive | stopping   | SIGKILL; counted as a crash                                  |
 * | ready    | stop, restart | draining  | or stopping with SIGTERM where `drain` is false              |
 * | draining | drained, deadline | stopping | SIGTERM                                                   |
 * | draining | start        | ready      | if a stop had begun it                                       |
 * | draining | exited       | stopped, starting |                                                       |
 * | stopping | deadline     | stopping   | SIGKILL, again every 2 s                                     |
 * | stopping | exited       | stopped, starting, backoff, failed | as `next` says                       |
 * | stopping | start, restart, stop | stopping | `next` changes                                         |
 * | any with a process | kill | stopping | SIGKILL                                                      |
 *
 * Everything else changes nothing: a late message of a former life must not move the machine.
 */
export function transition(
  state: MachineState,
  event: MachineEvent,
  now: number,
  context: MachineContext,
): Transition {
  switch (event.type) {
    case 'start':
      return onStart(state, now, context)
    case 'restart':
      return onRestart(state, event, now, context)
    case 'stop':
      return onStop(state, event, now, context)
    case 'kill':
      return onKill(state, event.reason, now)
    case 'exited':
      return onExited(state, event, now, context)
    case 'deadline':
      return onDeadline(state, now, context)
    case 'unresponsive':
      if (state.state !== 'ready') return unchanged(state)
      return stopping(
        { ...state, next: 'failure', cause: 'unresponsive' },
        event.message,
        now + killRetryMs,
        'SIGKILL',
      )
    case 'drained':
      if (state.state !== 'draining') return unchanged(state)
      return stopping(state, state.reason, now + context.settings.stopTimeoutMs, 'SIGTERM')
    default:
      return state.state === 'starting' ? whileStarting(state, event, now, context) : unchanged(state)
  }
}

type StartingEvent = Extract<
  MachineEvent,
  { type: 'spawned' | 'spawn-failed' | 'progress' | 'said-ready' | 'probe-passed' | 'probe-failed' }
>

function whileStarting(
  state: MachineState,
  event: StartingEvent,
  now: number,
  context: MachineContext,
): Transition {
  switch (event.type) {
    case 'spawned':
      return context.settings.readiness === 'probe'
        ? { state, effects: [{ type: 'probe', afterMs: probeRetryMs }] }
        : unchanged(state)
    case 'progress':
      return { state: { ...state, deadline: now + context.settings.startTimeoutMs }, effects: [] }
    case 'said-ready':
      return { state, effects: [{ type: 'probe', afterMs: 0 }] }
    case 'probe-failed':
      return {
        state: { ...state, obstacle: event.message },
        effects: [{ type: 'probe', afterMs: probeRetryMs }],
      }
    case 'probe-passed':
      return {
        state: { ...state, state: 'ready', reason: 'ready', deadline: null, readyAt: now },
        effects: [],
      }
    case 'spawn-failed':
      if (event.permanent) return failed(state, event.message)
      return settle(state, judgeFailedStart(state, context), event.message, 'start_failed', now)
    default:
      return event satisfies never
  }
}

function onStart(state: MachineState, now: number, context: MachineContext): Transition {
  switch (state.state) {
    case 'stopped':
    case 'failed':
      return starting(forgetFailures(state), 'start', now, context)
    case 'backoff':
      return again(state, state.reason, now, context)
    case 'draining':
      return state.next === 'stopped'
        ? { state: { ...state, state: 'ready', reason: 'ready', deadline: null }, effects: [] }
        : unchanged(state)
    case 'stopping':
      return state.next === 'stopped'
        ? unchanged({ ...state, next: 'starting', cause: 'operator' })
        : unchanged(state)
    default:
      return unchanged(state)
  }
}

function onRestart(
  state: MachineState,
  event: Extract<MachineEvent, { type: 'restart' }>,
  now: number,
  context: MachineContext,
): Transition {
  const planned = { ...state, next: 'starting' as const, cause: event.cause }
  switch (state.state) {
    case 'stopped':
      return starting(forgetFailures(planned), event.reason, now, context)
    case 'failed':
    case 'backoff':
      return again(forgetFailures(planned), event.reason, now, context)
    case 'ready':
      return event.drain
        ? draining(planned, event.reason, now, context)
        : stopping(planned, event.reason, now + context.settings.stopTimeoutMs, 'SIGTERM')
    case 'starting':
      return stopping(planned, event.reason, now + context.settings.stopTimeoutMs, 'SIGTERM')
    default:
      return unchanged(planned)
  }
}

function onStop(
  state: MachineState,
  event: Extract<MachineEvent, { type: 'stop' }>,
  now: number,
  context: MachineContext,
): Transition {
  const planned = { ...state, next: 'stopped' as const, cause: event.cause ?? ('operator' as const) }
  switch (state.state) {
    case 'backoff':
    case 'failed':
      return stopped(planned, event.reason)
    case 'ready':
      if (event.drain) return draining(planned, event.reason, now, context)
      return stopping(planned, event.reason, now + context.settings.stopTimeoutMs, 'SIGTERM')
    case 'draining':
      if (event.drain) return unchanged(planned)
      return stopping(planned, event.reason, now + context.settings.stopTimeoutMs, 'SIGTERM')
    case 'starting':
      return stopping(planned, event.reason, now + context.settings.stopTimeoutMs, 'SIGTERM')
    default:
      return unchanged(planned)
  }
}

function onKill(state: MachineState, reason: string, now: number): Transition {
  const planned = { ...state, next: 'stopped' as const }
  switch (state.state) {
    case 'stopped':
    case 'failed':
      return unchanged(state)
    case 'backoff':
      return stopped(planned, reason)
    default:
      return stopping(planned, reason, now + killRetryMs, 'SIGKILL')
  }
}

function onDeadline(state: MachineState, now: number, context: MachineContext): Transition {
  if (state.deadline === null || now < state.deadline) return unchanged(state)
  switch (state.state) {
    case 'backoff':
      return again(state, state.reason, now, context)
    case 'starting': {
      const waited = `not ready within ${context.settings.startTimeoutMs / 1_000} s`
      const detail = state.obstacle === null ? waited : `${waited}: ${state.obstacle}`
      const failure = { ...state, next: 'failure' as const, cause: 'start_timeout' as const }
      return stopping(failure, detail, now + context.settings.stopTimeoutMs, 'SIGTERM')
    }
    case 'draining':
      return stopping(
        state,
        `${state.reason}; requests were still running at the end of drainTimeout`,
        now + context.settings.stopTimeoutMs,
        'SIGTERM',
      )
    case 'stopping':
      return stopping(state, state.reason, now + killRetryMs, 'SIGKILL')
    default:
      return unchanged(state)
  }
}

function onExited(
  state: MachineState,
  event: Extract<MachineEvent, { type: 'exited' }>,
  now: number,
  context: MachineContext,
): Transition {
  const isConfiguration = event.code === exitCodes.configuration
  switch (state.state) {
    case 'starting':
      if (isConfiguration) return failed(state, event.detail)
      return settle(state, judgeFailedStart(state, context), event.detail, 'start_failed', now)
    case 'ready':
      if (isConfiguration) return failed(state, event.detail)
      return settle(state, judgeCrash(state, now, context), event.detail, 'crash', now)
    case 'draining':
    case 'stopping':
      if (state.next === 'stopped') return stopped(state, state.reason)
      if (state.next === 'starting') return again(state, state.reason, now, context)
      return settle(
        state,
        state.readyAt === null ? judgeFailedStart(state, context) : judgeCrash(state, now, context),
        state.reason,
        state.cause,
        now,
      )
    default:
      return unchanged(state)
  }
}

function settle(
  state: MachineState,
  verdict: Verdict,
  why: string,
  cause: RestartCause,
  now: number,
): Transition {
  if (verdict.type === 'give-up') return failed(state, `${why} (given up: ${verdict.why})`)
  const { afterMs, type: _, ...counters } = verdict
  return {
    state: {
      ...state,
      ...counters,
      state: 'backoff',
      reason: why,
      cause,
      deadline: now + afterMs,
      readyAt: null,
    },
    effects: [],
  }
}

function again(state: MachineState, reason: string, now: number, context: MachineContext): Transition {
  return starting({ ...state, restarts: state.restarts + 1 }, reason, now, context)
}

function starting(state: MachineState, reason: string, now: number, context: MachineContext): Transition {
  return {
    state: {
      ...state,
      state: 'starting',
      reason,
      obstacle: null,
      next: 'stopped',
      deadline: now + context.settings.startTimeoutMs,
      readyAt: null,
    },
    effects: [{ type: 'spawn' }],
  }
}

function draining(state: MachineState, reason: string, now: number, context: MachineContext): Transition {
  return {
    state: { ...state, state: 'draining', reason, deadline: now + context.settings.drainTimeoutMs },
    effects: [],
  }
}

function stopping(
  state: MachineState,
  reason: string,
  deadline: number,
  signal: 'SIGTERM' | 'SIGKILL',
): Transition {
  const effects: MachineEffect[] = [{ type: 'signal', signal }]
  return { state: { ...state, state: 'stopping', reason, deadline }, effects }
}

function stopped(state: MachineState, reason: string): Transition {
  return {
    state: { ...state, state: 'stopped', reason, deadline: null, next: 'stopped', readyAt: null },
    effects: [],
  }
}

function failed(state: MachineState, reason: string): Transition {
  return {
    state: { ...state, state: 'failed', reason, deadline: null, next: 'stopped', readyAt: null },
    effects: [],
  }
}

function forgetFailures(state: MachineState): MachineState {
  return { ...state, failedStarts: 0, shortLives: [], crashes: [] }
}

function unchanged(state: MachineState): Transition {
  return { state, effects: [] }
}
