import type { Clock } from '../world/clock.js'

/** Changes come in bursts; one message tells of all in this time. */
const gatherMs = 50
const intervalMs = 1_000

export interface StatusSender {
  /** Something changed that the dashboard shows. */
  changed(): void
  close(): void
}

/** Calls `send` soon after each change, and once a second without one. */
export function createStatusSender(clock: Clock, send: () => void): StatusSender {
  let isSoon = false
  let isClosed = false
  let cancel = plan(intervalMs)

  function plan(delayMs: number): () => void {
    return clock.after(delayMs, () => {
      isSoon = false
      send()
      cancel = plan(intervalMs)
    })
  }

  return {
    changed() {
      if (isSoon || isClosed) return
      isSoon = true
      cancel()
      cancel = plan(gatherMs)
    },
    close() {
      isClosed = true
      cancel()
    },
  }
}
