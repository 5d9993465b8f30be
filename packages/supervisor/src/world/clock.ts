/** Time as the supervisor sees it. Injected, so that tests decide when it passes. */
export interface Clock {
  /** Monotonic milliseconds; a change of the system time does not move it. */
  now(): number
  /** Time of day, for logs and reports only. */
  wallTime(): Date
  /** Calls `action` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, action: () => void): () => void
}

// setTimeout fires at once for anything above a 32-bit number of milliseconds.
const longestTimerMs = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => new Date(),
  after(delayMs, action) {
    const timer = setTimeout(action, Math.min(Math.max(0, delayMs), longestTimerMs))
    return () => clearTimeout(timer)
  },
}

/** Resolves after `delayMs`. */
export function delay(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve)
  })
}
