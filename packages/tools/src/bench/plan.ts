import { ToolUsageError } from '../common/tool-error.js'

export type Arrivals = 'poisson' | 'constant'

/**
 * Closed loop: each of `concurrency` clients sends its next request when its last one is answered, so a slow server gets
 * less. Open loop: requests come at their own times whatever the server does, as from many people.
 */
export type LoadPlan =
  | { kind: 'closed'; concurrency: number; requests: number | null; durationMs: number | null }
  | {
      kind: 'open'
      ratePerSecond: number
      durationMs: number
      arrivals: Arrivals
      /** More in flight wait in the client; their latency counts from when they were due. */
      maxInFlight: number
    }

export interface LoadFlags {
  concurrency: number | undefined
  requests: number | undefined
  ratePerSecond: number | undefined
  durationMs: number | undefined
  arrivals: Arrivals
}

const defaultConcurrency = 4
const defaultRequests = 100
/** Far beyond what a cluster queues; a guard for the client's own sockets. */
const defaultMaxInFlight = 10_000

/** Throws ToolUsageError for flags that do not go together. */
export function planLoad({
  concurrency,
  requests,
  ratePerSecond,
  durationMs,
  arrivals,
}: LoadFlags): LoadPlan {
  for (const [name, value] of Object.entries({ concurrency, requests })) {
    if (value !== undefined && !(Number.isInteger(value) && value >= 1)) {
      throw new ToolUsageError(`--${name} must be a whole number from 1`)
    }
  }
  if (durationMs !== undefined && !(durationMs > 0))
    throw new ToolUsageError('--duration must be longer than 0')
  if (ratePerSecond === undefined) {
    const isUnbounded = requests === undefined && durationMs === undefined
    return {
      kind: 'closed',
      concurrency: concurrency ?? defaultConcurrency,
      requests: isUnbounded ? defaultRequests : (requests ?? null),
      durationMs: durationMs ?? null,
    }
  }
  if (!(ratePerSecond > 0 && ratePerSecond < Infinity))
    throw new ToolUsageError('--rate must be a number of requests per second above 0')
  if (requests !== undefined)
    throw new ToolUsageError('--requests and --rate exclude each other: use --rate with --duration')
  if (durationMs === undefined) throw new ToolUsageError('--rate needs --duration')
  return { kind: 'open', ratePerSecond, durationMs, arrivals, maxInFlight: concurrency ?? defaultMaxInFlight }
}
