import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Bag } from '../bag.js'

/** The requests that are being answered on the server's connections. */
export class Exchanges {
  readonly #open = new Bag<ServerResponse>()
  /** Sockets that have had their last answer and are being closed. */
  readonly #finished = new WeakSet<Socket>()
  /** What ends the answers that wait behind another one on their connection, if that is closed. */
  readonly #queued = new WeakMap<Socket, Set<() => void>>()
  #lastOnes = false
  #onEmpty: (() => void)[] = []

  /** `onClose` is called once, when the answer is complete or the connection is gone. */
  add(response: ServerResponse, onClose: () => void): void {
    const entry = this.#open.add(response)
    if (this.#lastOnes) response.shouldKeepAlive = false
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
