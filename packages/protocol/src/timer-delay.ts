const longestTimerMs = 2 ** 31 - 1

/** A delay that `setTimeout` takes: it fires at once for anything above a 32-bit number of milliseconds. */
export function timerDelayMs(ms: number): number {
  return Math.min(Math.max(0, ms), longestTimerMs)
}
