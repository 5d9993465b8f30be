import { timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders, Server } from 'node:http'
import type { Socket } from 'node:net'
import { callerHeader, callerProof } from '@asr-cluster/protocol'
import type { OwnerLookup } from './owner-lookup.js'

export interface ConnectionGuardOptions {
  /** Secret of this life; the supervisor and its balancer prove that they know it. */
  identity: string | undefined
  /** Uids whose connections are answered. */
  allowUsers: readonly number[]
  ownerOf: OwnerLookup
  /** Called once for each user that is turned away; undefined is somebody who is not found on this machine. */
  onRefused: (uid: number | undefined) => void
}

/** Calls `go` once the other end of the connection may be answered; never for one that may not. */
export type Admit = (socket: Socket, headers: IncomingHttpHeaders, go: () => void) => void

/** With more open connections of which nothing is known they are all looked at, so that nobody can fill the server with them. */
const mostUnknown = 64

/**
 * Keeps other users of this machine from an instance: its port is on loopback, which all users share. Who proves with a
 * request to know the identity is let in at once; for anybody else it counts whose socket is at the other end. The
 * others' connections are reset without an answer.
 */
export class ConnectionGuard {
  readonly #options: ConnectionGuardOptions
  readonly #proof: Buffer | undefined
  readonly #verdicts = new WeakMap<Socket, true | Promise<boolean>>()
  readonly #unknown = new Set<Socket>()
  readonly #refused = new Set<number | undefined>()

  constructor(options: ConnectionGuardOptions) {
    this.#options = options
    if (options.identity !== undefined) this.#proof = Buffer.from(callerProof(options.identity))
  }

  /** To be called before the server listens. */
  watch(server: Server): void {
    server.on('connection', (socket: Socket) => {
      this.#unknown.add(socket)
      socket.once('close', () => this.#unknown.delete(socket))
      if (this.#unknown.size > mostUnknown) for (const each of this.#unknown) void this.#look(each)
    })
  }

  /**
   * Calls `go` once the other end of the connection may be answered, at once where that is known; never for others.
   * `headers` are those of a request on it.
   */
  admit(socket: Socket, headers: IncomingHttpHeaders, go: () => void): void {
    if (this.#verdicts.get(socket) === true || this.#isProof(headers[callerHeader])) {
      this.#letIn(socket)
      go()
      return
    }
    void this.#look(socket).then((mayAsk) => {
      if (mayAsk && !socket.destroyed) go()
    })
  }

  #isProof(shown: string | string[] | undefined): boolean {
    if (this.#proof === undefined || typeof shown !== 'string') return false
    const bytes = Buffer.from(shown)
    return bytes.length === this.#proof.length && timingSafeEqual(bytes, this.#proof)
  }

  #letIn(socket: Socket): void {
    this.#verdicts.set(socket, true)
    this.#unknown.delete(socket)
  }

  async #look(socket: Socket): Promise<boolean> {
    const known = this.#verdicts.get(socket)
    if (known !== undefined) return known
    const verdict = this.#judge(socket)
    this.#verdicts.set(socket, verdict)
    return verdict
  }

  async #judge(socket: Socket): Promise<boolean> {
    const { allowUsers, ownerOf, onRefused } = this.#options
    const { localAddress, localPort, remoteAddress, remotePort } = socket
    const uid =
      remoteAddress === undefined || remotePort === undefined
        ? undefined
        : await ownerOf({
            local: { address: remoteAddress, port: remotePort },
            remote: { address: localAddress as string, port: localPort as number },
          })
    // A request with the proof may have come meanwhile.
    if (this.#verdicts.get(socket) === true) return true
    if (uid !== undefined && allowUsers.includes(uid)) {
      this.#letIn(socket)
      return true
    }
    const isGone = socket.destroyed
    socket.resetAndDestroy()
    if (!isGone && !this.#refused.has(uid)) {
      this.#refused.add(uid)
      onRefused(uid)
    }
    return false
  }
}
