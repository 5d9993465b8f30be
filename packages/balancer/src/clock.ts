import { timerDelayMs } from '@asr-cluster/protocol'

/** Monotonic time and timers, injected so that policies and tests do not depend on the wall clock. */
export interface Clock {
  /** Milliseconds since an arbitrary start; never goes back. */
  nowMs(): number
  /** Runs `run` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, run: () => void): () => void
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, timerDelayMs(delayMs))
    return () => clearTimeout(timer)
  },
}
