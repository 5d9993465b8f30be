import type { Clock } from '../clock.js'
import { expandUpstream, type Resolver } from './expand.js'
import type { Upstream } from './parse-upstream.js'
import type { MemberSource, SourceSink } from './source.js'

/** A record that may be kept for less is looked up once a second. */
const shortestIntervalMs = 1_000
/** Nothing is believed for longer, so that a record with a TTL of a day can be corrected. */
const longestIntervalMs = 60_000

export interface DnsSourceOptions {
  resolver: Resolver
  clock: Clock
  /** Until the next look after a failure, and where the resolver tells no TTL. */
  intervalMs: number
}

/** The addresses of a name or the targets of an SRV record, looked up again when their TTL ends. */
export class DnsSource implements MemberSource {
  readonly #upstream: Upstream
  readonly #options: DnsSourceOptions
  #cancelTimer: () => void = () => undefined
  #stopped = false

  constructor(upstream: Upstream, options: DnsSourceOptions) {
    this.#upstream = upstream
    this.#options = options
  }

  start(sink: SourceSink): Promise<void> {
    return this.#look(sink)
  }

  stop(): void {
    this.#stopped = true
    this.#cancelTimer()
  }

  async #look(sink: SourceSink): Promise<void> {
    const { resolver, clock, intervalMs } = this.#options
    const { slotsFromHealth } = this.#upstream
    let nextMs = intervalMs
    try {
      const { members, ttlMs } = await expandUpstream(this.#upstream, resolver)
      if (ttlMs !== undefined) nextMs = Math.min(longestIntervalMs, Math.max(shortestIntervalMs, ttlMs))
      if (!this.#stopped) sink.onMembers(members.map((member) => ({ member, slotsFromHealth })))
    } catch (error) {
      if (!this.#stopped) sink.onFailure(error as Error)
    }
    if (!this.#stopped) this.#cancelTimer = clock.after(nextMs, () => void this.#look(sink))
  }
}
