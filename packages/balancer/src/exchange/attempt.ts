import type { ServerResponse } from 'node:http'
import { identityHeader } from '@asr-cluster/protocol'
import type { Backend, Running } from '../backend/backend.js'
import type { BagEntry } from '../bag.js'
import type { Clock } from '../clock.js'
import type { Departure } from '../departure.js'
import { forwardedResponseHeaders, headerValue, rawHeaderValue, setHeaders } from '../server/headers.js'
import type { Flow, UpstreamHandler, UpstreamRequest } from '../upstream/connections.js'
import { strangerCode, type Failure } from '../upstream/failure.js'
import type { Answer, AnswerHead, Sharing } from './answer.js'
import { mayDecline } from './decline.js'

/** An answer up to this size is held back until it is complete, so that its instance may die in the middle of it. */
const defaultHeldBytes = 64 * 1024

/** No part of it is of use without the rest; other types without a length may be streams. */
const documentType = /^application\/(?:problem\+)?json *(?:;|$)/i

export type Outcome =
  /** Complete and not yet sent. */
  | { kind: 'answer'; answer: Answer }
  /** Complete and sent while it came. */
  | { kind: 'streamed'; status: number }
  /** Nothing has reached the client: the request may be sent again. */
  | { kind: 'failed'; failure: Failure }
  /** It ended after its first bytes had reached the client. */
  | { kind: 'cut'; failure: Failure; eventStream: boolean }
  | { kind: 'client-gone' }
  /** Ended for a request that matters more, after its first bytes had reached the client, which is still there. */
  | { kind: 'preempted'; eventStream: boolean }

export interface AttemptOptions {
  backend: Backend
  upstream: UpstreamRequest
  response: ServerResponse
  requestId: string
  departure: Departure
  clock: Clock
  /** A client that reads nothing for so long is given up. */
  clientStallMs: number
  /** Of a request that others may be the same as. An answer that they can be given is held also when it is longer. */
  sharing: Sharing | undefined
  /** Ours, in the place of such of the instance: name, value, … */
  extraHeaders: readonly string[] | undefined
}

/** Sends the request once. Never rejects. */
export function runAttempt(options: AttemptOptions): Promise<Outcome> {
  if (options.departure.gone) return Promise.resolve({ kind: 'client-gone' })
  return new Promise((resolve) => {
    const attempt = new Attempt(options, resolve)
    attempt.start()
  })
}

class Attempt implements UpstreamHandler {
  readonly #options: AttemptOptions
  readonly #settle: (outcome: Outcome) => void
  #entry: BagEntry<Running> | undefined
  #forgetClient: () => void = () => undefined
  #abort: (reason: Error) => void = () => undefined
  #gaveUp: 'stalled' | 'client-gone' | 'stranger' | undefined
  #head: AnswerHead | undefined
  #held: Buffer[] | undefined
  #heldBytes = 0
  #mayHoldBytes = 0
  #flow: Flow | undefined
  #cancelStallTimer: (() => void) | undefined

  constructor(options: AttemptOptions, settle: (outcome: Outcome) => void) {
    this.#options = options
    this.#settle = settle
  }

  start(): void {
    const { backend, upstream, departure } = this.#options
    this.#entry = backend.running.add({ stalled: () => this.#giveUp('stalled') })
    this.#forgetClient = departure.onGone(() => this.#giveUp('client-gone'))
    this.#abort = backend.connections.send(upstream, this)
  }

  onHead(status: number, statusText: string, rawHeaders: Buffer[], flow: Flow): void {
    const { backend, requestId, clock, upstream, sharing, extraHeaders } = this.#options
    backend.lastByteAtMs = clock.nowMs()
    if (
      backend.identityMark !== undefined &&
      backend.isStranger(rawHeaderValue(rawHeaders, identityHeader))
    ) {
      this.#giveUp('stranger')
      return
    }
    const headers = forwardedResponseHeaders(rawHeaders, requestId, backend.id)
    if (extraHeaders) setHeaders(headers, extraHeaders)
    this.#head = { status, statusText, headers }
    const sharedBytes = sharing?.largestBytes(this.#head) ?? 0
    this.#flow = flow
    this.#mayHoldBytes = Math.max(defaultHeldBytes, sharedBytes)
    if (upstream.method !== 'HEAD' && this.#comesWhole(rawHeaders)) {
      this.#held = []
      // One that takes no work is followed by another answer, which others may get.
      if (sharedBytes === 0 && !mayDecline(status, headerValue(headers, 'content-type'))) sharing?.onPrivate()
      return
    }
    this.#sendHead()
  }

  /**
   * Whether the client loses nothing if it gets all at once: the length is known, or the answer is a document of JSON,
   * which servers other than ours send in chunks. One that ends with its connection looks whole wherever it is cut.
   */
  #comesWhole(rawHeaders: readonly Buffer[]): boolean {
    const { status, headers } = this.#head as AnswerHead
    const length = headerValue(headers, 'content-length')
    if (length !== undefined) return Number(length) <= this.#mayHoldBytes
    const isDocument = documentType.test(headerValue(headers, 'content-type') ?? '')
    if (!isDocument || status === 204 || status === 304) return false
    return rawHeaderValue(rawHeaders, 'transfer-encoding') !== undefined
  }

  /** From here on the client gets what comes as it comes. */
  #sendHead(): void {
    const { response, sharing } = this.#options
    const { status, statusText, headers } = this.#head as AnswerHead
    sharing?.onPrivate()
    response.writeHead(status, statusText, headers)
    if (this.#isEventStream()) response.flushHeaders()
    response.on('drain', () => {
      this.#cancelStallTimer?.()
      this.#cancelStallTimer = undefined
      this.#flow?.resume()
    })
  }

  onData(chunk: Buffer): void {
    if (!this.#head) return
    const { backend, clock } = this.#options
    backend.lastByteAtMs = clock.nowMs()
    if (!this.#held) {
      this.#write(chunk)
      return
    }
    this.#held.push(chunk)
    this.#heldBytes += chunk.length
    if (this.#heldBytes <= this.#mayHoldBytes) return
    const held = this.#held
    this.#held = undefined
    this.#sendHead()
    for (const each of held) this.#write(each)
  }

  #write(chunk: Buffer): void {
    const { response, clock, clientStallMs } = this.#options
    if (response.write(chunk) || this.#cancelStallTimer) return
    this.#flow?.pause()
    // Not the answer alone: one that waits behind another on its connection would only end when its turn comes.
    this.#cancelStallTimer = clock.after(clientStallMs, () => response.req.socket.destroy())
  }

  onEnd(): void {
    const { response } = this.#options
    // Without a spread, as V8 gives each object that is made by one a shape of its own.
    const { status, statusText, headers } = this.#head as AnswerHead
    if (this.#held) {
      const body = joined(this.#held)
      if (headerValue(headers, 'content-length') === undefined)
        headers.push('content-length', String(body.length))
      this.#finish({ kind: 'answer', answer: { status, statusText, headers, body } })
      return
    }
    response.end()
    this.#finish({ kind: 'streamed', status })
  }

  onFailure(failure: Failure): void {
    if (this.#gaveUp === 'client-gone') {
      const isCut = this.#options.departure.isPreempted && this.#head !== undefined && !this.#held
      this.#finish(
        isCut ? { kind: 'preempted', eventStream: this.#isEventStream() } : { kind: 'client-gone' },
      )
      return
    }
    if (this.#gaveUp === 'stranger') {
      this.#finish({ kind: 'failed', failure: { ...failure, kind: 'refused', code: strangerCode } })
      return
    }
    const found: Failure = this.#gaveUp === 'stalled' ? { ...failure, kind: 'stalled' } : failure
    if (!this.#head || this.#held) {
      this.#finish({ kind: 'failed', failure: found })
      return
    }
    this.#finish({ kind: 'cut', failure: found, eventStream: this.#isEventStream() })
  }

  #isEventStream(): boolean {
    const type = headerValue(this.#head?.headers ?? [], 'content-type')
    return type?.startsWith('text/event-stream') ?? false
  }

  #giveUp(why: 'stalled' | 'client-gone' | 'stranger'): void {
    this.#gaveUp ??= why
    this.#abort(new Error(why))
  }

  #finish(outcome: Outcome): void {
    const { backend } = this.#options
    if (this.#entry) backend.running.remove(this.#entry)
    this.#forgetClient()
    this.#cancelStallTimer?.()
    this.#settle(outcome)
  }
}

function joined(chunks: readonly Buffer[]): Buffer {
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)
}
