import { timerDelayMs } from '@asr-cluster/protocol'

/** Time as the supervisor sees it. Injected, so that tests decide when it passes. */
export interface Clock {
  /** Monotonic milliseconds; a change of the system time does not move it. */
  now(): number
  /** Time of day, for logs and reports only. */
  wallTime(): Date
  /** Calls `action` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, action: () => void): () => void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => new Date(),
  after(delayMs, action) {
    const timer = setTimeout(action, timerDelayMs(delayMs))
    return () => clearTimeout(timer)
  },
}

/** Resolves after `delayMs`. */
export function delay(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve)
  })
}
