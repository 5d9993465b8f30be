import { ToolError } from '../common/tool-error.js'
import { TransferError } from './transfer-error.js'

export interface RetryWorld {
  sleep: (ms: number) => Promise<void>
  /** 0 to 1. */
  random: () => number
  /** Told before each wait. */
  onRetry: (message: string) => void
}

/** Tries in a row that bring nothing. */
const maxFailures = 6
const baseMs = 1_000
const capMs = 30_000
const longestRetryAfterMs = 300_000

/** Exponential with full jitter in the upper half, unless the server said how long. */
export function backoffMs(failures: number, retryAfterMs: number | null, random: number): number {
  if (retryAfterMs !== null) return Math.min(longestRetryAfterMs, retryAfterMs)
  const step = Math.min(capMs, baseMs * 2 ** (failures - 1))
  return step / 2 + (step / 2) * random
}

/** Calls `attempt` until it succeeds. A TransferError is tried again; one that made progress starts the count anew. */
export async function withRetries<T>(attempt: () => Promise<T>, what: string, world: RetryWorld): Promise<T> {
  let failures = 0
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof TransferError)) throw error
      failures = error.madeProgress ? 1 : failures + 1
      if (failures >= maxFailures) {
        throw new ToolError('transfer_failed', `${what}: ${error.message}, ${failures} times in a row`, {
          help: 'Check the network and run the same command again: it goes on where it stopped.',
          cause: error,
        })
      }
      const waitMs = backoffMs(failures, error.retryAfterMs, world.random())
      world.onRetry(`${what}: ${error.message}; trying again in ${(waitMs / 1000).toFixed(1)} s`)
      await world.sleep(waitMs)
    }
  }
}
