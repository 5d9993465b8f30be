import { AsrError, clientClosed, type BalancerConfig } from '@asr-cluster/protocol'
import type { Backend } from '../backend/backend.js'
import { mayTake, selectBackend, serves, type Wish } from '../backend/select.js'
import type { Clock } from '../clock.js'
import type { Departure } from '../departure.js'
import type { Policy, Random } from '../policy/index.js'
import { Grace, mayServeSoon } from './grace.js'
import { replaysAllowed } from './retry-budget.js'
import { WaitingRoom, type Waiting } from './waiting-room.js'

/** Weight of the newest sample in the running mean of the service time. */
const meanGain = 0.1

export interface Ticket extends Wish {
  /** API key or address: the unit of fairness. */
  client: string
  replay: boolean
  /** Instances without a free slot sent it back, and none began it: it counts as no retry. */
  declined?: boolean
  /** Takes a free slot only, and gives it back to the first request that has to wait. */
  low?: boolean
  /** When the client goes away the request leaves the queue. */
  departure: Departure
  /** Longest wait, in milliseconds. */
  patienceMs: number
  /** Told when it begins to wait, with what lets it wait in the lines of others too that want the same. */
  onWait?: ((standIn: StandIn) => void) | undefined
}

/** Puts the waiting request into this client's line too; the first place that is served ends all. The result takes it out. */
export type StandIn = (client: string) => () => void

/** A request of low priority with its slot. It ends soon once it is gone. */
interface Held {
  backend: Backend
  departure: Departure
}

/** One slot of one backend. */
export interface Lease {
  backend: Backend
  waitedMs: number
  /**
   * Gives the slot back; more calls do nothing. `served`: the request was answered, so the time that it took says how long
   * others will take. That of a WebSocket, or of an attempt that came to nothing, does not.
   */
  release(end?: 'served'): void
}

interface Entry extends Waiting {
  ticket: Ticket
  queuedAtMs: number
  grant(lease: Lease): void
}

export interface SchedulerOptions {
  policy: Policy
  queueMax: number
  retryBudget: BalancerConfig['retry']['budget']
  clock: Clock
  random: Random
  /** A slot was given back; `idle` when it was the backend's last. */
  onRelease?: (backend: Backend, idle: boolean) => void
}

/** The one writer of slots: grants them to waiting requests in order, by the policy. */
export class Scheduler {
  /** False until the members are known: requests wait meanwhile instead of being refused. */
  membersKnown = false
  readonly #options: SchedulerOptions
  readonly #waiting = new WaitingRoom<Entry>()
  readonly #grace = new Grace()
  #backends: readonly Backend[] = []
  /** Requests of low priority that hold a slot. */
  readonly #low = new Set<Held>()
  #inFlight = 0
  #replaysInFlight = 0
  #meanServiceMs = 1_000
  #turn = 0

  constructor(options: SchedulerOptions) {
    this.#options = options
  }

  get inFlight(): number {
    return this.#inFlight
  }

  get queueDepth(): number {
    return this.#waiting.size
  }

  /** Called with each change of the members or of the state of one. */
  setBackends(backends: readonly Backend[]): void {
    const nowMs = this.#options.clock.nowMs()
    if (this.#backends.length === 0 && backends.length > 0) this.#grace.firstCame(nowMs)
    this.#grace.observe(backends, nowMs)
    this.#backends = backends
    this.pump()
  }

  /**
   * Refuses at once, before a body is read, what could not be served anyway. Throws AsrError no_instance_ready, or where the
   * queue is full queue_full, to one of low priority yielded; not where it may need no place there.
   */
  admit(
    group: string | undefined,
    { low = false, needsPlace = true }: { low?: boolean; needsPlace?: boolean } = {},
  ): void {
    const nowMs = this.#options.clock.nowMs()
    if (!this.membersKnown) return
    if (!this.#mayServeSoon(group) && !this.#grace.lasts(group, nowMs)) throw this.#nothingReady()
    if (needsPlace && this.#isFullFor(group, nowMs)) throw low ? yielded() : this.#queueFull()
  }

  /** The slot that `acquire` would give at once; undefined when it would not. */
  acquireNow(ticket: Ticket): Lease | undefined {
    if (ticket.low || this.#waiting.size > 0 || ticket.departure.gone) return undefined
    return this.#tryGrant(ticket, this.#options.clock.nowMs())
  }

  /**
   * Waits for a slot. Rejects with AsrError queue_full, yielded, queue_timeout, no_instance_ready, or client_closed when the
   * client has gone away.
   */
  acquire(ticket: Ticket): Promise<Lease> {
    if (ticket.departure.gone) return Promise.reject(clientClosed())
    if (ticket.low) return this.#acquireLow(ticket)
    const nowMs = this.#options.clock.nowMs()
    if (this.#waiting.size === 0) {
      const lease = this.#tryGrant(ticket, nowMs)
      if (lease) return Promise.resolve(lease)
    }
    if (!ticket.replay && this.#isFullFor(ticket.group, nowMs)) return Promise.reject(this.#queueFull())
    return this.#enqueue(ticket)
  }

  /**
   * The next serving backend in turn, for a request that costs nothing: no slot is taken. Those in `avoid` come last.
   * Throws AsrError no_instance_ready.
   */
  next(avoid: ReadonlyMap<string, number>): Lease {
    const serving = this.#backends.filter((backend) => backend.isServing())
    const fresh = serving.filter((backend) => !avoid.has(backend.id))
    const choices = fresh.length > 0 ? fresh : serving
    const backend = choices[this.#turn++ % choices.length]
    if (!backend) throw this.#nothingReady()
    return { backend, waitedMs: 0, release: () => undefined }
  }

  /** Whether one that may take a request to this group is up besides those in `avoid`, in the lives that stand there. */
  hasOther(group: string | undefined, avoid: ReadonlyMap<string, number>): boolean {
    return this.#backends.some(
      (backend) => backend.isServing() && serves(backend, group) && avoid.get(backend.id) !== backend.life,
    )
  }

  /** Grants what can be granted; called whenever a slot frees or a backend changes. */
  pump(): void {
    for (;;) {
      let lease: Lease | undefined
      const entry = this.#waiting.take((candidate) => {
        lease = this.#tryGrant(candidate.ticket, candidate.queuedAtMs)
        return lease !== undefined
      })
      if (!entry || !lease) break
      entry.grant(lease)
    }
    this.#preempt()
  }

  /** Whole seconds until a place in the queue is likely to be free, for `Retry-After`. */
  retryAfterSeconds(): number {
    const slots = this.#backends.reduce(
      (sum, backend) => sum + (backend.isServing() ? backend.member.slots : 0),
      0,
    )
    const seconds = (this.#waiting.size * this.#meanServiceMs) / Math.max(1, slots) / 1_000
    return Math.min(60, Math.max(1, Math.ceil(seconds)))
  }

  #enqueue(ticket: Ticket): Promise<Lease> {
    const { clock } = this.#options
    return new Promise((resolve, reject) => {
      const standIns = new Set<Entry>()
      let isWaiting = true
      const leave = (): void => {
        isWaiting = false
        cancelTimer()
        forget()
        this.#waiting.remove(entry)
        for (const place of standIns) this.#waiting.remove(place)
      }
      const entry: Entry = {
        client: ticket.client,
        group: ticket.group,
        replay: ticket.replay,
        ticket,
        queuedAtMs: clock.nowMs(),
        grant(lease) {
          leave()
          resolve(lease)
        },
      }
      const refuse = (error: AsrError): void => {
        if (!isWaiting) return
        leave()
        reject(error)
        // Whoever stood behind it in its line may be served now.
        this.pump()
      }
      const cancelTimer = clock.after(ticket.patienceMs, () => refuse(this.#timedOut(ticket.group)))
      const forget = ticket.departure.onGone(() => refuse(clientClosed()))
      this.#waiting.add(entry)
      // A replay stands before all lines.
      if (!ticket.replay)
        ticket.onWait?.((client) => {
          if (!isWaiting || client === ticket.client) return () => undefined
          const place = { ...entry, client, standIn: true }
          standIns.add(place)
          this.#waiting.add(place)
          this.pump()
          return () => {
            standIns.delete(place)
            if (this.#waiting.remove(place)) this.pump()
          }
        })
      // Those before it may wait for something that it does not need.
      this.pump()
    })
  }

  async #acquireLow(ticket: Ticket): Promise<Lease> {
    const nowMs = this.#options.clock.nowMs()
    // A slot that is free while others wait is one that they cannot use, for example of another group.
    const lease = this.#tryGrant(ticket, nowMs)
    if (!lease) throw yielded()
    const held = { backend: lease.backend, departure: ticket.departure }
    this.#low.add(held)
    const release = (end?: 'served'): void => {
      this.#low.delete(held)
      lease.release(end)
    }
    return Promise.resolve({ ...lease, release })
  }

  /** Each request that waits ends one of low priority, whose slot comes back when its attempt has ended. */
  #preempt(): void {
    if (this.#low.size === 0) return
    const ending = [...this.#low].filter(({ departure }) => departure.gone)
    const others = [...this.#low].filter(({ departure }) => !departure.gone)
    const chosen: Held[] = []
    for (const { item, count } of this.#waiting.needs()) {
      const { ticket } = item
      if (this.#exceedsBudget(ticket)) continue
      const isOfUse = ({ backend }: Held): boolean => mayTake(this.#backends, ticket, backend)
      for (let left = count; left > 0; left -= 1) {
        if (takeFirst(ending, isOfUse)) continue
        const next = takeFirst(others, isOfUse)
        if (!next) break
        chosen.push(next)
      }
    }
    // Last, because it may bring slots back at once.
    for (const { departure } of chosen) departure.preempt()
  }

  #tryGrant(ticket: Ticket, queuedAtMs: number): Lease | undefined {
    const { policy, random, clock } = this.#options
    if (this.#exceedsBudget(ticket)) return undefined
    const nowMs = clock.nowMs()
    const backend = selectBackend(this.#backends, ticket, policy, random, nowMs)
    if (!backend) return undefined
    return this.#lease(backend, isRetry(ticket), nowMs, nowMs - queuedAtMs)
  }

  #exceedsBudget(ticket: Ticket): boolean {
    return (
      isRetry(ticket) && this.#replaysInFlight >= replaysAllowed(this.#inFlight, this.#options.retryBudget)
    )
  }

  #lease(backend: Backend, replay: boolean, startedAtMs: number, waitedMs: number): Lease {
    const giveBack = backend.takeSlot()
    this.#inFlight += 1
    if (replay) this.#replaysInFlight += 1
    return {
      backend,
      waitedMs,
      release: (end) => {
        if (!giveBack()) return
        this.#inFlight -= 1
        if (replay) this.#replaysInFlight -= 1
        if (end === 'served') {
          const servedMs = this.#options.clock.nowMs() - startedAtMs
          this.#meanServiceMs += meanGain * (servedMs - this.#meanServiceMs)
        }
        this.#options.onRelease?.(backend, backend.inFlight === 0)
        this.pump()
      },
    }
  }

  /** Those that fill the queue may wait for another group than this one, which has a free slot. */
  #isFullFor(group: string | undefined, nowMs: number): boolean {
    if (this.#waiting.size < this.#options.queueMax) return false
    return !this.#backends.some((backend) => serves(backend, group) && backend.hasRoom(nowMs))
  }

  #mayServeSoon(group: string | undefined): boolean {
    return this.#backends.some((backend) => serves(backend, group) && mayServeSoon(backend))
  }

  #queueFull(): AsrError {
    return new AsrError('queue_full', `${this.#waiting.size} requests are waiting already.`, {
      retryAfterSeconds: this.retryAfterSeconds(),
    })
  }

  #timedOut(group: string | undefined): AsrError {
    if (this.membersKnown && !this.#mayServeSoon(group)) return this.#nothingReady()
    return new AsrError('queue_timeout', 'No instance had a free slot in time.', {
      retryAfterSeconds: this.retryAfterSeconds(),
    })
  }

  #nothingReady(): AsrError {
    return new AsrError('no_instance_ready', 'No instance is ready.', { retryAfterSeconds: 5 })
  }
}

function isRetry({ replay, declined }: Ticket): boolean {
  return replay && declined !== true
}

function takeFirst<T>(items: T[], fits: (item: T) => boolean): T | undefined {
  const position = items.findIndex(fits)
  return position < 0 ? undefined : items.splice(position, 1)[0]
}

export function yielded(): AsrError {
  return new AsrError('yielded', 'Other requests need the slot.', { retryAfterSeconds: 1 })
}
