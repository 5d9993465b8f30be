import { KeyLimiter, type Entry, type Limits } from './key-limiter.js'
import { sourceOf } from '../server/connection-limit.js'

/** A limiter that nothing has used for so long has all its tokens again, and is like a new one. */
const forgottenAfterMs = 60_000

/** What one address may do at once and in a minute, over all its connections and keys. */
export class AddressLimits {
  readonly #limits: Limits
  readonly #bySource = new Map<string, { limiter: KeyLimiter; usedAtMs: number }>()
  #sweptAtMs = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** None where there is no limit. */
  static of(limits: Limits): AddressLimits | undefined {
    const isLimited = limits.requestsPerMinute !== undefined || limits.concurrency !== undefined
    return isLimited ? new AddressLimits(limits) : undefined
  }

  /** Addresses that are remembered. */
  get size(): number {
    return this.#bySource.size
  }

  enter(address: string, nowMs: number): Entry {
    if (nowMs - this.#sweptAtMs > forgottenAfterMs) this.#sweep(nowMs)
    const source = sourceOf(address)
    const known = this.#bySource.get(source) ?? { limiter: new KeyLimiter(this.#limits), usedAtMs: nowMs }
    known.usedAtMs = nowMs
    this.#bySource.set(source, known)
    return known.limiter.enter(nowMs)
  }

  #sweep(nowMs: number): void {
    this.#sweptAtMs = nowMs
    for (const [source, { limiter, usedAtMs }] of this.#bySource)
      if (limiter.inFlight === 0 && nowMs - usedAtMs > forgottenAfterMs) this.#bySource.delete(source)
  }
}
