import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Bag } from '../bag.js'

/** The requests that are being answered on the server's connections. */
export class Exchanges {
  readonly #open = new Bag<ServerResponse>()
  /** Sockets that have had their last answer and are being closed. */
  readonly #finished = new WeakSet<Socket>()
  #lastOnes = false
  #onEmpty: (() => void)[] = []

  /** `onClose` is called once, when the answer is complete or the connection is gone. */
  add(response: ServerResponse, onClose: () => void): void {
    const entry = this.#open.add(response)
    if (this.#lastOnes) response.shouldKeepAlive = false
    const { socket } = response.req
    response.on('close', () => {
      this.#open.remove(entry)
      if (!response.shouldKeepAlive) this.#finished.add(socket)
      onClose()
      if (this.#open.size > 0) return
      for (const resolve of this.#onEmpty.splice(0)) resolve()
    })
  }

  /** From now on each answer says `Connection: close`, also to a request that is here already. */
  makeLast(): void {
    this.#lastOnes = true
    for (const response of this.#open) if (!response.headersSent) response.shouldKeepAlive = false
  }

  /**
   * Whether a socket whose further bytes are no HTTP can be given an error: not when the request before them is complete
   * or is being answered, which is then the last answer, nor when the last one was given already.
   */
  isFree(socket: Socket): boolean {
    if (this.#finished.has(socket)) return false
    let free = true
    for (const response of this.#open) {
      if (response.req.socket !== socket) continue
      if (!response.req.complete && !response.headersSent) continue
      response.shouldKeepAlive = false
      free = false
    }
    return free
  }

  /** Resolves when none is open; one that comes meanwhile is waited for. */
  async ended(): Promise<void> {
    while (this.#open.size > 0) await new Promise<void>((resolve) => this.#onEmpty.push(resolve))
  }
}
