import { identityMark, type Member } from '@asr-cluster/protocol'
import { Bag } from '../bag.js'
import { callerHeadersFor } from './caller-headers.js'
import { slowStartShare } from '../policy/slow-start.js'
import type { Connections } from '../upstream/connections.js'

/** A request that runs on a backend, as the health monitor sees it. */
export interface Running {
  /** Ends the attempt because the instance hangs; the request is replayed elsewhere. */
  stalled(): void
}

/** `probing`: new, no good probe yet. `up`: gets requests. `ejected`: removed on evidence. */
export type BackendState = 'probing' | 'up' | 'ejected'

export const slowStartWindowMs = 10_000

/** Everything the balancer knows of one member in one life of its process. */
export class Backend {
  member: Member
  state: BackendState = 'probing'
  /** Why it is not up. */
  reason: string | undefined = 'not probed yet'
  /** Grows with each ejection: what a request learned about an earlier life no longer counts. */
  life = 0
  /** Requests in flight when this life ended; what each of them may be blamed for. */
  inFlightAtEjection = 0
  currentWeight = 0
  /** The instance said that it takes no work: no request before this time. */
  restsUntilMs = 0
  ejectedAtMs = 0
  /** Start of the slow start, or undefined when it gets its whole weight. */
  rampFromMs: number | undefined
  /** It has been here before: it ramps up when it is up for the first time in this life. */
  rampWhenUp = false
  /** Last byte that came from the instance: one that still answers is not dead. */
  lastByteAtMs = Number.NEGATIVE_INFINITY
  /** Told to a caller that keeps a reference: the member left the set or was replaced. */
  removed = false
  readonly connections: Connections
  readonly running = new Bag<Running>()
  /** An answer has shown its identity, so one without it comes from somebody else. */
  #hasShownMark = false
  #inFlight = 0
  #derived: { identity: string; mark: string; callerHeaders: readonly string[] } | undefined

  constructor(member: Member, connections: Connections) {
    this.member = member
    this.connections = connections
  }

  get id(): string {
    return this.member.id
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** What its answers show; undefined when its identity is not known. */
  get identityMark(): string | undefined {
    return this.#ofIdentity()?.mark
  }

  /** What requests to it carry besides the client's headers: name, value. */
  get callerHeaders(): readonly string[] {
    return this.#ofIdentity()?.callerHeaders ?? []
  }

  #ofIdentity(): { mark: string; callerHeaders: readonly string[] } | undefined {
    const { identity } = this.member
    if (identity === undefined) return undefined
    if (this.#derived?.identity !== identity) {
      const callerHeaders = Object.entries(callerHeadersFor(this.member)).flat()
      this.#derived = { identity, mark: identityMark(identity), callerHeaders }
    }
    return this.#derived
  }

  /**
   * Whether an answer with this mark, or without one, comes from somebody else. An instance that died may have lost its
   * port to any program of the machine, which answers before anybody notices.
   */
  isStranger(shown: string | undefined): boolean {
    const own = this.identityMark
    if (own === undefined) return false
    if (shown !== undefined) {
      if (shown === own) this.#hasShownMark = true
      return shown !== own
    }
    return this.member.marks === true || this.#hasShownMark
  }

  /** Takes one slot; the returned function gives it back, once, however often it is called. */
  takeSlot(): () => boolean {
    this.#inFlight += 1
    let held = true
    return () => {
      if (!held) return false
      held = false
      this.#inFlight -= 1
      return true
    }
  }

  /** May get a request now. */
  hasRoom(nowMs: number): boolean {
    return this.isServing() && this.#inFlight < this.member.slots && this.restsUntilMs <= nowMs
  }

  isServing(): boolean {
    return this.state === 'up' && !this.member.draining && !this.removed
  }

  effectiveWeight(nowMs: number): number {
    if (this.rampFromMs === undefined) return this.member.weight
    const share = slowStartShare(nowMs - this.rampFromMs, slowStartWindowMs)
    if (share === 1) this.rampFromMs = undefined
    return this.member.weight * share
  }
}
