import type { Socket } from 'node:net'
import { closeFrame, FrameTracker } from './frame-tracker.js'

/** Close codes of RFC 6455 and its registry. */
export const closeCodes = {
  policyViolation: 1008,
  internalError: 1011,
  serviceRestart: 1012,
  tryAgainLater: 1013,
} as const

/** How long the client may take to answer our close frame. */
const closeLingerMs = 1_000
/** How long the rest of a frame may take before our close frame, with a client that does not read for instance. */
const frameLingerMs = 10_000

/** An open WebSocket between a client and an instance. */
export class Tunnel {
  readonly #client: Socket
  readonly #instance: Socket
  readonly #tracker = new FrameTracker()
  #closing: Buffer | undefined

  /** `instance` is taken out of whatever it was piped to. */
  constructor(client: Socket, instance: Socket) {
    this.#client = client
    this.#instance = instance
    instance.unpipe(client)
    // Not a pipe: what the tracker knows has to be what was written, or a frame of ours could land inside another.
    instance.on('data', (chunk: Buffer) => this.#forward(chunk))
    client.on('drain', () => instance.resume())
    // To be taken out of its pipe has paused it.
    instance.resume()
    // The library's own would close the client's socket before it is told why.
    instance.removeAllListeners('error')
    instance.on('error', () => this.close(closeCodes.internalError, 'the instance broke off'))
    instance.on('end', () => this.close(closeCodes.internalError, 'the instance broke off'))
    client.on('end', () => this.#expectEnd())
    client.on('close', () => instance.destroy())
  }

  /** Tells the client why and ends both sides; a frame that is being passed on is finished first. */
  close(code: number, reason: string): void {
    if (this.#closing) return
    this.#closing = closeFrame(code, reason)
    if (this.#tracker.closed) this.#finish()
    else if (this.#tracker.atBoundary) this.#finish(this.#closing)
    // The rest of the frame will not come: a torn frame tells the client as much as can be told.
    else if (this.#instance.readableEnded || this.#instance.destroyed) this.#finish()
    else this.#expectEnd(frameLingerMs)
  }

  #forward(chunk: Buffer): void {
    const boundary = this.#tracker.pass(chunk)
    if (this.#closing && boundary >= 0) {
      this.#client.write(chunk.subarray(0, boundary))
      this.#finish(this.#closing)
      return
    }
    if (!this.#client.write(chunk)) this.#instance.pause()
  }

  #finish(lastFrame?: Buffer): void {
    this.#instance.removeAllListeners('data')
    this.#client.unpipe(this.#instance)
    this.#instance.destroy()
    if (lastFrame) this.#client.end(lastFrame)
    else this.#client.end()
    this.#client.resume()
    this.#expectEnd()
  }

  /** One side has said its last: the other has a moment to do so too. */
  #expectEnd(lingerMs = closeLingerMs): void {
    const timer = setTimeout(() => this.#client.destroy(), lingerMs)
    this.#client.once('close', () => clearTimeout(timer))
  }
}
