import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Bag } from '../bag.js'

interface Exchange {
  response: ServerResponse
  /** Grows with each one: those of a connection are answered in this order. */
  order: number
}

/** The requests that are being answered on the server's connections. */
export class Exchanges {
  readonly #open = new Bag<Exchange>()
  #added = 0
  /** Sockets that have had their last answer and are being closed. */
  readonly #finished = new WeakSet<Socket>()
  /** What ends the answers that wait behind another one on their connection, if that is closed. */
  readonly #queued = new WeakMap<Socket, Set<() => void>>()
  /** Once answers are the last ones: which one of a socket was made it. */
  readonly #lastOf = new WeakMap<Socket, ServerResponse>()
  #lastOnes = false
  #onEmpty: (() => void)[] = []

  /** `onClose` is called once, when the answer is complete or the connection is gone. */
  add(response: ServerResponse, onClose: () => void): void {
    const entry = this.#open.add({ response, order: (this.#added += 1) })
    if (this.#lastOnes) this.#makeLast(response)
    const { socket } = response.req
    let isOver = false
    const end = (): void => {
      if (isOver) return
      isOver = true
      this.#queued.get(socket)?.delete(end)
      this.#open.remove(entry)
      if (!response.shouldKeepAlive) this.#finished.add(socket)
      onClose()
      if (this.#open.size > 0) return
      for (const resolve of this.#onEmpty.splice(0)) resolve()
    }
    response.on('close', end)
    // Before Node 24 an answer that has no turn yet is not told that its connection is gone.
    if (response.socket === null) this.#endWith(socket, end)
  }

  /** By one listener for all answers of a socket. */
  #endWith(socket: Socket, end: () => void): void {
    const known = this.#queued.get(socket)
    if (known) {
      known.add(end)
      return
    }
    const queued = new Set([end])
    this.#queued.set(socket, queued)
    socket.once('close', () => {
      for (const each of queued) each()
    })
  }

  /** From now on the last answer of each connection says `Connection: close`, also to a request that is here already. */
  makeLast(): void {
    this.#lastOnes = true
    const inOrder = [...this.#open].sort((a, b) => a.order - b.order)
    for (const { response } of inOrder) this.#makeLast(response)
  }

  /** The connection would be closed after one that says so, and with it those that wait behind. */
  #makeLast(response: ServerResponse): void {
    const { socket } = response.req
    const before = this.#lastOf.get(socket)
    if (before && !before.headersSent) before.shouldKeepAlive = true
    this.#lastOf.delete(socket)
    if (response.headersSent || !response.shouldKeepAlive) return
    response.shouldKeepAlive = false
    this.#lastOf.set(socket, response)
  }

  /**
   * Whether a socket whose further bytes are no HTTP can be given an error: not when the request before them is complete
   * or is being answered, which is then the last answer, nor when the last one was given already.
   */
  isFree(socket: Socket): boolean {
    if (this.#finished.has(socket)) return false
    let last: Exchange | undefined
    for (const exchange of this.#open) {
      const { req, headersSent } = exchange.response
      if (req.socket !== socket || (!req.complete && !headersSent)) continue
      if (!last || exchange.order > last.order) last = exchange
    }
    if (!last) return true
    last.response.shouldKeepAlive = false
    return false
  }

  /** Resolves when none is open; one that comes meanwhile is waited for. */
  async ended(): Promise<void> {
    while (this.#open.size > 0) await new Promise<void>((resolve) => this.#onEmpty.push(resolve))
  }
}
