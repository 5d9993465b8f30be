import type { ApiKeyLimits } from '@asr-cluster/protocol'
import { takeToken, type TokenBucket } from './token-bucket.js'

/** Undefined is no limit. */
export type Limits = Pick<ApiKeyLimits, 'requestsPerMinute' | 'concurrency'>

export type RefusalReason = 'rate' | 'concurrency'

export type Entry =
  /** `leave` has to be called when the request is over; the second call does nothing. */
  | { kind: 'entered'; leave: () => void }
  | { kind: 'refused'; reason: RefusalReason; limit: number; waitMs: number }

/** How long a client is asked to wait for another request of its key to end: nobody knows. */
const concurrencyWaitMs = 1_000

/** What one API key, or one address, may do at once and in a minute, over all its connections. */
export class KeyLimiter {
  #limits: ApiKeyLimits
  #bucket: TokenBucket | undefined
  #inFlight = 0

  constructor(limits: ApiKeyLimits) {
    this.#limits = limits
  }

  get name(): string | undefined {
    return this.#limits.name
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** Counts for the next request; those in flight go on and are counted. */
  setLimits(limits: ApiKeyLimits): void {
    this.#limits = limits
  }

  /** A request that is refused for the number at once costs nothing of the rate. */
  enter(nowMs: number): Entry {
    const { concurrency, requestsPerMinute } = this.#limits
    if (concurrency !== undefined && this.#inFlight >= concurrency) {
      return { kind: 'refused', reason: 'concurrency', limit: concurrency, waitMs: concurrencyWaitMs }
    }
    if (requestsPerMinute !== undefined) {
      const before = this.#bucket ?? { tokens: requestsPerMinute, atMs: nowMs }
      const { bucket, waitMs } = takeToken(before, requestsPerMinute, nowMs)
      this.#bucket = bucket
      if (waitMs > 0) return { kind: 'refused', reason: 'rate', limit: requestsPerMinute, waitMs }
    }
    this.#inFlight += 1
    let isIn = true
    const leave = (): void => {
      if (!isIn) return
      isIn = false
      this.#inFlight -= 1
    }
    return { kind: 'entered', leave }
  }
}
