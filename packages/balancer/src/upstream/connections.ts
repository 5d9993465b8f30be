import { buildConnector, Client, type Dispatcher } from 'undici'
import { joinShortWrites } from '../join-writes.js'
import { classifyFailure, type Failure } from './failure.js'

export interface UpstreamRequest {
  method: string
  /** Origin form, with the query. */
  path: string
  /** Name, value, name, value, … without hop-by-hop headers; content-length is that of the body. */
  headers: string[]
  body: Buffer | Iterable<Buffer> | AsyncIterable<Buffer> | null
}

export interface Flow {
  pause(): void
  resume(): void
}

export interface UpstreamHandler {
  /** Status line and headers; names and values alternate. */
  onHead(status: number, statusText: string, rawHeaders: Buffer[], flow: Flow): void
  onData(chunk: Buffer): void
  onEnd(): void
  /** The only other end; never called after `onEnd`. */
  onFailure(failure: Failure): void
}

export interface ConnectionsOptions {
  connectTimeoutMs: number
  responseTimeoutMs: number
}

interface Connection {
  client: Client
  /** Requests written on the present socket. */
  served: number
}

/** An idle connection is closed before a Node or Uvicorn server closes it (5 s), to keep out of that race. */
const idleTimeoutMs = 4_000

/** Only compared by undici; the connector finds the true name in the origin. */
const sameServer = 'upstream'

/**
 * The connections to one backend, one request at a time on each; the last used is used first. A pool of our own instead
 * of undici's because the replay has to know whether a connection was a used one.
 */
export class Connections {
  readonly #origin: string
  readonly #options: ConnectionsOptions
  readonly #connect: buildConnector.connector
  readonly #idle: Connection[] = []
  readonly #all = new Set<Connection>()
  #closed = false

  constructor(origin: string, options: ConnectionsOptions) {
    this.#origin = origin
    this.#options = options
    const connect = buildConnector({ timeout: options.connectTimeoutMs })
    // undici would take the name that the certificate has to be for from the Host header, which is the client's.
    this.#connect = (target, callback) =>
      connect({ ...target, servername: '' }, (...result) => {
        if (result[1]) joinShortWrites(result[1])
        callback(...result)
      })
  }

  /** Sends one request; the returned function ends it, after which `onFailure` is called if nothing else was. */
  send(request: UpstreamRequest, handler: UpstreamHandler): (reason: Error) => void {
    const connection = this.#take()
    const exchange = new Exchange(connection, handler, (reusable) => this.#giveBack(connection, reusable))
    exchange.start(request)
    return (reason) => exchange.abort(reason)
  }

  /** Idle connections end now, the others after their request. */
  close(): void {
    this.#closed = true
    for (const connection of this.#idle.splice(0)) this.#drop(connection)
  }

  #take(): Connection {
    const idle = this.#idle.pop()
    if (idle) return idle
    const client = new Client(this.#origin, {
      pipelining: 1,
      connect: this.#connect,
      headersTimeout: this.#options.responseTimeoutMs,
      bodyTimeout: this.#options.responseTimeoutMs,
      keepAliveTimeout: idleTimeoutMs,
      keepAliveMaxTimeout: idleTimeoutMs,
    })
    const connection: Connection = { client, served: 0 }
    client.on('connect', () => {
      connection.served = 0
    })
    this.#all.add(connection)
    return connection
  }

  #giveBack(connection: Connection, reusable: boolean): void {
    if (reusable && !this.#closed) this.#idle.push(connection)
    else this.#drop(connection)
  }

  #drop(connection: Connection): void {
    this.#all.delete(connection)
    connection.client.destroy(() => undefined)
  }
}

/**
 * One request on one connection, with exactly one end. The callbacks are undici's older ones: with the newer ones it builds
 * an object of the headers, which nobody reads here.
 */
class Exchange implements Dispatcher.DispatchHandler, Flow {
  readonly #connection: Connection
  readonly #handler: UpstreamHandler
  readonly #giveBack: (reusable: boolean) => void
  #abort: ((reason: Error) => void) | undefined
  #resume: (() => void) | undefined
  #paused = false
  #reused = false
  #ended = false

  constructor(connection: Connection, handler: UpstreamHandler, giveBack: (reusable: boolean) => void) {
    this.#connection = connection
    this.#handler = handler
    this.#giveBack = giveBack
  }

  start({ method, path, headers, body }: UpstreamRequest): void {
    try {
      this.#connection.client.dispatch(
        {
          method: method as Dispatcher.HttpMethod,
          path,
          headers,
          // Always the same, or undici leaves a kept connection when the Host header changes.
          servername: sameServer,
          // Its types leave out what it documents and does: iterables of buffers.
          body: body as Buffer | null,
        } as Dispatcher.DispatchOptions,
        this,
      )
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  abort(reason: Error): void {
    if (this.#ended) return
    if (this.#abort) this.#abort(reason)
    else this.#fail(reason)
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#resume?.()
  }

  onConnect(abort: (reason?: Error) => void): void {
    this.#abort = abort
    this.#reused = this.#connection.served > 0
    this.#connection.served += 1
    // Given up while it was connecting: the request must not go out.
    if (this.#ended) abort(new Error('given up'))
  }

  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void, text: string): boolean {
    this.#resume = resume
    if (status >= 200 && !this.#ended) this.#handler.onHead(status, text, rawHeaders, this)
    return !this.#paused
  }

  onData(chunk: Buffer): boolean {
    if (!this.#ended) this.#handler.onData(chunk)
    return !this.#paused
  }

  onComplete(): void {
    if (this.#ended) return
    this.#ended = true
    this.#giveBack(true)
    this.#handler.onEnd()
  }

  onError(error: Error): void {
    this.#fail(error)
  }

  #fail(error: Error): void {
    if (this.#ended) return
    this.#ended = true
    this.#giveBack(false)
    this.#handler.onFailure(classifyFailure(error, this.#abort !== undefined, this.#reused))
  }
}
