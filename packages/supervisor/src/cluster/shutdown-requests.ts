import type { Clock } from '../world/clock.js'

/** A wrapper such as npm sends the signal of the terminal a second time. */
export const duplicateSignalMs = 100

export interface ShutdownRequests {
  /** A signal came: the first one drains, a later one kills. */
  signal: () => void
}

export function createShutdownRequests(
  clock: Clock,
  actions: { drain: () => void; kill: () => void },
): ShutdownRequests {
  let firstAt: number | null = null
  return {
    signal() {
      const now = clock.now()
      if (firstAt === null) {
        firstAt = now
        actions.drain()
      } else if (now - firstAt >= duplicateSignalMs) {
        actions.kill()
      }
    },
  }
}
