import type { Member, ServedGroup } from '@asr-cluster/protocol'
import type { Clock } from '../clock.js'
import type { Upstream } from './parse-upstream.js'
import type { FoundMember, MemberSource } from './source.js'

/** At the start nobody is told of an empty set for so long while an upstream has not answered: requests wait then. */
const firstMembersGraceMs = 15_000

export interface DiscoveryOptions {
  clock: Clock
  /** Throws ConfigurationError when the upstream cannot be followed from here. */
  createSource: (upstream: Upstream) => MemberSource
  /** Called when the set is another one. `groups` are those of all upstreams, also of one that has no member yet. */
  onMembers: (members: Member[], groups: ServedGroup[]) => void
  /** What is known of this upstream stays in force. */
  onFailure: (upstream: Upstream, error: Error) => void
}

interface Feed {
  upstream: Upstream
  source: MemberSource
  /** Last good answer: a source that fails removes nobody. None before the first one. */
  found: readonly FoundMember[] | undefined
}

/** Keeps the member set equal to what the upstreams stand for. */
export class Discovery {
  readonly #options: DiscoveryOptions
  /** By the upstream's text, so that one which is still wanted goes on with what it knows. */
  #feeds = new Map<string, Feed>()
  #slotsFromHealth = new Set<string>()
  #starting = 0
  #told: string | undefined
  #isGraceOver = false
  #cancelGrace: (() => void) | undefined

  constructor(options: DiscoveryOptions) {
    this.#options = options
  }

  /** Takes the place of the upstreams before; resolves once each new one has answered or failed. Throws ConfigurationError. */
  async setUpstreams(upstreams: readonly Upstream[]): Promise<void> {
    const before = this.#feeds
    const entries = upstreams.map((upstream): [string, Feed] => {
      const key = JSON.stringify(upstream)
      const feed = before.get(key)
      return [key, feed ?? { upstream, source: this.#options.createSource(upstream), found: undefined }]
    })
    this.#feeds = new Map(entries)
    for (const [key, { source }] of before) if (!this.#feeds.has(key)) source.stop()
    const added = entries.filter(([key]) => !before.has(key)).map(([, feed]) => feed)
    // Nothing is told in between: the old members stay until the new ones are known.
    this.#starting += 1
    try {
      await Promise.all(added.map((feed) => this.#start(feed)))
    } finally {
      this.#starting -= 1
    }
    this.#tell()
  }

  /** Whether the slots of this member are what its health answer says. */
  takesSlotsFromHealth(id: string): boolean {
    return this.#slotsFromHealth.has(id)
  }

  stop(): void {
    for (const { source } of this.#feeds.values()) source.stop()
    this.#feeds = new Map()
    this.#cancelGrace?.()
  }

  #start(feed: Feed): Promise<void> {
    const isPresent = (): boolean => [...this.#feeds.values()].includes(feed)
    return feed.source.start({
      onMembers: (found) => {
        feed.found = found
        if (isPresent()) this.#tell()
      },
      onFailure: (error) => {
        if (isPresent()) this.#options.onFailure(feed.upstream, error)
      },
    })
  }

  #tell(): void {
    if (this.#starting > 0) return
    const byId = new Map<string, FoundMember>()
    for (const { found } of this.#feeds.values()) {
      // Two Services may name the same pod: the first one that is configured has it.
      for (const each of found ?? []) if (!byId.has(each.member.id)) byId.set(each.member.id, each)
    }
    const found = [...byId.values()]
    if (found.length === 0 && this.#mayStillCome()) return
    this.#cancelGrace?.()
    this.#slotsFromHealth = new Set(
      found.filter((each) => each.slotsFromHealth).map(({ member }) => member.id),
    )
    const members = found.map(({ member }) => member)
    const groups = [...this.#feeds.values()].map(({ upstream: { member } }) => ({
      group: member.group,
      models: member.models,
    }))
    const told = JSON.stringify([members, groups])
    if (told === this.#told) return
    this.#told = told
    this.#options.onMembers(members, groups)
  }

  /** Whether the first members may be found yet: a name that stays wrong is not waited for, though. */
  #mayStillCome(): boolean {
    const isWaiting = [...this.#feeds.values()].some(({ found }) => found === undefined)
    if (this.#told !== undefined || this.#isGraceOver || !isWaiting) return false
    this.#cancelGrace ??= this.#options.clock.after(firstMembersGraceMs, () => {
      this.#isGraceOver = true
      this.#tell()
    })
    return true
  }
}
