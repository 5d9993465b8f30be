/** Replays that may always run at once, however little traffic there is (Envoy's min_retry_concurrency). */
const minimumConcurrent = 3

/**
 * How many replays may run at once: a share of what is in flight. Beyond it a replay waits, it is not refused, so a
 * dead instance costs time, never a request.
 */
export function replaysAllowed(inFlight: number, budgetRatio: number): number {
  return Math.max(minimumConcurrent, Math.floor(inFlight * budgetRatio))
}
