import { createHash } from 'node:crypto'
import { AsrError } from '@asr-cluster/protocol'
import type { Departure } from '../departure.js'
import type { Answer, AnswerHead, Sharing } from '../exchange/answer.js'
import { AnswerCache } from './answer-cache.js'
import type { AnswerShelf } from './answer-shelf.js'
import { SingleFlight, type FlightEnd } from './single-flight.js'

/** An answer up to this size is held back while it comes, and can be kept. */
const largestAnswerBytes = 4 * 1024 * 1024

/** Of a request whose answer nobody else gets. */
const notShared: Sharing = {
  onWait: () => undefined,
  largestBytes: () => 0,
  onPrivate: () => undefined,
  onAnswer: () => undefined,
}

export interface StoreOptions {
  maxBytes: number
  /** What answers depend on besides the request: the models that may serve it. */
  modelsOf: (group: string | undefined) => string
  /** Looked at in this order for what is not in memory. */
  shelves?: readonly AnswerShelf[]
}

/** What makes a request the same as another one. */
export interface RequestIdentity {
  method: string
  /** With the query. */
  path: string
  group: string | undefined
  contentType: string
  bodyDigest: string
  /** Where an instance judges it, which may refuse one client what it gives another. */
  authorization: string | undefined
}

/** Answers for requests that are the same in everything an instance looks at. */
export class AnswerStore {
  readonly #options: StoreOptions
  readonly #cache: AnswerCache
  readonly #flights = new SingleFlight()

  constructor(options: StoreOptions) {
    this.#options = options
    this.#cache = new AnswerCache(options.maxBytes)
  }

  /** Whether there may be an answer to some request, kept or on its way. */
  get knowsAny(): boolean {
    const { shelves = [] } = this.#options
    return this.#cache.size > 0 || shelves.length > 0 || this.#flights.size > 0
  }

  keyOf(identity: RequestIdentity): string {
    const { method, path, group, contentType, bodyDigest, authorization } = identity
    const request = [method, path, group ?? null, contentType, bodyDigest, authorization ?? null]
    const parts = [...request, this.#options.modelsOf(group)]
    return createHash('sha256').update(JSON.stringify(parts)).digest('base64')
  }

  /**
   * The answer of an earlier request with this identity, or of one that is on its way; undefined when the request had to
   * be sent, by `send`, which tells of its answer and learns whether the time until then was a wait for a slot. Rejects as
   * `send` does, or with client_closed.
   */
  async serve(
    identity: RequestIdentity,
    client: string,
    departure: Departure,
    send: (sharing: Sharing, hasQueued: boolean) => Promise<void>,
  ): Promise<Answer | undefined> {
    for (;;) {
      const key = this.keyOf(identity)
      const kept = this.#cache.get(key)
      if (kept) return kept
      if (!this.#flights.isFlying(key)) return this.#lead(identity, key, departure, send)
      const end = await this.#flights.follow(key, client, departure)
      if (end.kind === 'answer') return end.answer
      if (end.kind === 'poison') throw end.error
      if (end.kind === 'private' || end.kind === 'timed-out') {
        await send(notShared, end.kind === 'timed-out')
        return undefined
      }
    }
  }

  async #lead(
    identity: RequestIdentity,
    key: string,
    departure: Departure,
    send: (sharing: Sharing, hasQueued: boolean) => Promise<void>,
  ): Promise<Answer | undefined> {
    const { onWait, land } = this.#flights.lead(key)
    const flight: { end: FlightEnd } = { end: { kind: 'private' } }
    try {
      const shelved = await this.#fromShelves(key)
      if (shelved) {
        flight.end = { kind: 'answer', answer: shelved }
        return shelved
      }
      const sharing: Sharing = {
        onWait,
        largestBytes: (head) => (isReusable(head) ? largestAnswerBytes : 0),
        onPrivate: () => land({ kind: 'private' }),
        onAnswer: (answer) => {
          if (isReusable(answer)) flight.end = { kind: 'answer', answer }
        },
      }
      await send(sharing, false)
      // Whoever may have answered meanwhile with another model must not be remembered under this one.
      const { end } = flight
      if (end.kind === 'answer' && this.keyOf(identity) === key) this.#keep(key, end.answer)
      return undefined
    } catch (error) {
      const code = error instanceof AsrError ? error.code : undefined
      if (code === 'poison_request') flight.end = { kind: 'poison', error: error as AsrError }
      if (code === 'queue_timeout') flight.end = { kind: 'timed-out' }
      throw error
    } finally {
      land(flight.end.kind === 'private' && departure.gone ? { kind: 'abandoned' } : flight.end)
    }
  }

  async #fromShelves(key: string): Promise<Answer | undefined> {
    const { shelves = [] } = this.#options
    for (const [index, shelf] of shelves.entries()) {
      const answer = await shelf.get(key)
      if (!answer) continue
      this.#keep(key, answer, shelves.slice(0, index))
      return answer
    }
    return undefined
  }

  #keep(key: string, answer: Answer, shelves = this.#options.shelves ?? []): void {
    this.#cache.set(key, answer)
    for (const shelf of shelves) void shelf.set(key, answer)
  }
}

function isReusable({ status, headers }: AnswerHead): boolean {
  if (status !== 200) return false
  for (let index = 0; index < headers.length; index += 2) {
    if (forbidsReuse((headers[index] as string).toLowerCase(), headers[index + 1] as string)) return false
  }
  return true
}

/** What a request says of the forms that its client understands is no part of its identity, so `vary` forbids it too. */
function forbidsReuse(name: string, value: string): boolean {
  switch (name) {
    case 'content-type':
      return value.startsWith('text/event-stream')
    case 'set-cookie':
      return true
    case 'vary':
    case 'content-encoding':
      return value !== ''
    case 'cache-control':
      return /\b(?:no-store|private)\b/i.test(value)
    default:
      return false
  }
}
