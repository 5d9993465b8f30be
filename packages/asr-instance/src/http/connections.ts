import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

const sweepIntervalMs = 1_000
/** Who has just connected may have its request on the way. */
const newcomerMs = 1_000

/** What is known of a connection; times by one clock, in milliseconds. */
export interface ConnectionState {
  openedAt: number
  bytesRead: number
  /** What `bytesRead` was when the last request was over; 0 before the first. */
  bytesOfRequests: number
  /** Begin of the oldest request that is not over, and whether its body has arrived. */
  request: { begunAt: number; isComplete: boolean } | undefined
}

/** As of http.Server, which stops looking at them when it closes; 0 is none. */
export interface ReceivingLimits {
  requestTimeout: number
  headersTimeout: number
}

/** Whether a drain that began at `drainedAt` may close the connection: nothing is received or answered, or not in time. */
export function isUnused(
  state: ConnectionState,
  now: number,
  drainedAt: number,
  limits: ReceivingLimits,
): boolean {
  const isPast = (begin: number, limit: number) => limit > 0 && now - begin >= limit
  const { request } = state
  if (request) return !request.isComplete && isPast(request.begunAt, limits.requestTimeout)
  if (state.bytesRead > state.bytesOfRequests) return isPast(drainedAt, limits.headersTimeout)
  return now - state.openedAt >= newcomerMs || state.bytesOfRequests > 0
}

interface Connection {
  openedAt: number
  bytesOfRequests: number
  /** In the order in which they came. */
  readonly requests: Map<IncomingMessage, number>
}

/** The connections of a server, so that a drain ends although a client says nothing, or not all. */
export class Connections {
  readonly #http: Server
  readonly #open = new Map<Socket, Connection>()

  /** To be called before the server listens. */
  constructor(http: Server) {
    this.#http = http
    http.on('connection', (socket: Socket) => {
      this.#open.set(socket, { openedAt: performance.now(), bytesOfRequests: 0, requests: new Map() })
      socket.once('close', () => this.#open.delete(socket))
    })
    // Who talks another protocol from now on ends by itself.
    http.on('upgrade', (req: IncomingMessage) => this.#open.delete(req.socket))
  }

  /** To be called with each request, before anything is done for it. */
  begin(req: IncomingMessage, res: ServerResponse): void {
    const { socket } = req
    const connection = this.#open.get(socket)
    if (!connection) return
    connection.requests.set(req, performance.now())
    let isAnswered = false
    const check = () => {
      // A body that nobody wants is still read, so that the client sees the answer.
      if (!isAnswered || !(req.complete || req.destroyed)) return
      connection.requests.delete(req)
      connection.bytesOfRequests = socket.bytesRead
    }
    req.once('close', check)
    res.once('close', () => {
      isAnswered = true
      check()
    })
  }

  /** Closes what is unused now or later, until the function that it returns is called. */
  closeUnused(): () => void {
    const drainedAt = performance.now()
    const sweep = () => {
      for (const [socket, connection] of this.#open) {
        const state = stateOf(socket, connection)
        if (isUnused(state, performance.now(), drainedAt, this.#http)) socket.destroy()
      }
    }
    sweep()
    const timer = setInterval(sweep, sweepIntervalMs)
    return () => clearInterval(timer)
  }
}

function stateOf(socket: Socket, { openedAt, bytesOfRequests, requests }: Connection): ConnectionState {
  const [oldest] = requests
  return {
    openedAt,
    bytesRead: socket.bytesRead,
    bytesOfRequests,
    request: oldest && { begunAt: oldest[1], isComplete: oldest[0].complete },
  }
}
