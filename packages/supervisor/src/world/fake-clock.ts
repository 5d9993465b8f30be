import type { Clock } from './clock.js'

/** A clock that moves only when told; for tests and for simulations of policies. */
export interface FakeClock extends Clock {
  /** Moves time on and runs what became due, in order. */
  advance(ms: number): void
}

export function fakeClock(): FakeClock {
  let nowMs = 0
  let timers: { at: number; action: () => void }[] = []
  return {
    now: () => nowMs,
    wallTime: () => new Date(nowMs),
    after(delayMs, action) {
      const timer = { at: nowMs + Math.max(0, delayMs), action }
      timers.push(timer)
      return () => {
        timers = timers.filter((other) => other !== timer)
      }
    },
    advance(ms) {
      const end = nowMs + ms
      for (;;) {
        const due = timers.filter((timer) => timer.at <= end).toSorted((a, b) => a.at - b.at)[0]
        if (!due) break
        timers = timers.filter((timer) => timer !== due)
        nowMs = due.at
        due.action()
      }
      nowMs = end
    },
  }
}
