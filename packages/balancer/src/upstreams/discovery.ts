import type { Member } from '@asr-cluster/protocol'
import type { Clock } from '../clock.js'
import { expandUpstream, type Resolver } from './expand.js'
import type { Upstream } from './parse-upstream.js'

export interface DiscoveryOptions {
  resolver: Resolver
  clock: Clock
  intervalMs: number
  /** Called when the set is another one. */
  onMembers: (members: Member[]) => void
  onFailure: (upstream: Upstream, error: Error) => void
}

/** Keeps the member set equal to what the upstreams resolve to. */
export class Discovery {
  readonly #options: DiscoveryOptions
  /** Last good answer for each upstream: a resolver that fails removes nobody. */
  #known = new Map<Upstream, Member[]>()
  #upstreams: readonly Upstream[] = []
  #told = ''
  #cancelTimer: () => void = () => undefined

  constructor(options: DiscoveryOptions) {
    this.#options = options
  }

  /** Takes the place of the upstreams before; resolves once each was resolved or failed. */
  async setUpstreams(upstreams: readonly Upstream[]): Promise<void> {
    this.#upstreams = upstreams
    this.#known = new Map()
    await this.#refresh(upstreams)
  }

  /** Whether the slots of this member are what its health answer says. */
  takesSlotsFromHealth(id: string): boolean {
    for (const [upstream, members] of this.#known) {
      if (upstream.slotsFromHealth && members.some((member) => member.id === id)) return true
    }
    return false
  }

  stop(): void {
    this.#cancelTimer()
    this.#upstreams = []
  }

  async #refresh(upstreams: readonly Upstream[]): Promise<void> {
    const { resolver, clock, intervalMs, onMembers, onFailure } = this.#options
    this.#cancelTimer()
    const found = await Promise.all(
      upstreams.map((upstream) =>
        expandUpstream(upstream, resolver).catch((error: unknown) => {
          onFailure(upstream, error as Error)
          return undefined
        }),
      ),
    )
    // Replaced or stopped meanwhile.
    if (this.#upstreams !== upstreams) return
    for (const [index, members] of found.entries()) {
      if (members) this.#known.set(upstreams[index] as Upstream, members)
    }
    if (upstreams.some(({ kind }) => kind !== 'address')) {
      this.#cancelTimer = clock.after(intervalMs, () => void this.#refresh(upstreams))
    }
    const members = [...this.#known.values()].flat()
    const told = JSON.stringify(members)
    if (told === this.#told) return
    this.#told = told
    onMembers(members)
  }
}
