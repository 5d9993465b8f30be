import type { MachineContext, MachineState } from './machine-types.js'

/** A life that was ready for less than this is a short one. */
export const shortLifeMs = 1_000
export const shortLifeWindowMs = 60_000
/** So many short lives within the window are restarted at once; each further one counts as a failed start. */
export const shortLivesAllowed = 10
export const crashWindowMs = 600_000
/** So many crashes within the window are restarted at once; after that the wait grows. */
export const crashesAllowed = 60
/** Spread of an immediate restart, so that several instances do not come back in the same instant. */
export const immediateSpreadMs = 50

/**
 * Exponential backoff with equal jitter: half of `min(cap, base · 2^(n-1))` plus a random part of the other half.
 * (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015.) `n` counts from 1.
 */
export function backoffDelayMs(n: number, { settings, random }: MachineContext): number {
  const full = Math.min(settings.backoffCapMs, settings.backoffBaseMs * 2 ** Math.min(n - 1, 40))
  return full / 2 + random * (full / 2)
}

export type Verdict =
  | { type: 'retry'; afterMs: number; failedStarts: number; shortLives: number[]; crashes: number[] }
  | { type: 'give-up'; why: string }

/** What to do about a start that failed: retried with backoff, given up after `startRetries` retries. */
export function judgeFailedStart(state: MachineState, context: MachineContext): Verdict {
  const failedStarts = state.failedStarts + 1
  if (failedStarts > context.settings.startRetries) {
    return { type: 'give-up', why: `${failedStarts} failed starts in a row` }
  }
  return {
    type: 'retry',
    afterMs: backoffDelayMs(failedStarts, context),
    failedStarts,
    shortLives: [...state.shortLives],
    crashes: [...state.crashes],
  }
}

/**
 * What to do about the death of a process that had been ready. The first restarts are immediate, because a crash
 * says nothing about the next life; a process that dies again and again is slowed down, and one that never lives
 * for `shortLifeMs` is in the end given up.
 */
export function judgeCrash(state: MachineState, now: number, context: MachineContext): Verdict {
  const isShort = now - (state.readyAt ?? now) < shortLifeMs
  const shortLives = state.shortLives.filter((at) => now - at < shortLifeWindowMs)
  if (isShort) shortLives.push(now)
  const crashes = [...state.crashes.filter((at) => now - at < crashWindowMs), now]
  if (isShort && shortLives.length > shortLivesAllowed) {
    const verdict = judgeFailedStart(state, context)
    return verdict.type === 'retry'
      ? { ...verdict, shortLives, crashes }
      : { type: 'give-up', why: `${shortLives.length} lives shorter than ${shortLifeMs} ms within a minute` }
  }
  const excess = crashes.length - crashesAllowed
  return {
    type: 'retry',
    afterMs: excess > 0 ? backoffDelayMs(excess, context) : context.random * immediateSpreadMs,
    failedStarts: isShort ? state.failedStarts : 0,
    shortLives,
    crashes,
  }
}
