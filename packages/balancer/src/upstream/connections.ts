import { Client, type Dispatcher } from 'undici'
import { classifyFailure, type Failure } from './failure.js'

export interface UpstreamRequest {
  method: string
  /** Origin form, with the query. */
  path: string
  /** Name, value, name, value, … without hop-by-hop headers and without content-length. */
  headers: string[]
  body: Buffer | Iterable<Buffer> | AsyncIterable<Buffer> | null
  /** Bytes of the body; undefined when there is none. */
  bodyBytes: number | undefined
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

/**
 * The connections to one backend, one request at a time on each; the last used is used first. A pool of our own instead
 * of undici's because the replay has to know whether a connection was a used one.
 */
export class Connections {
  readonly #origin: string
  readonly #options: ConnectionsOptions
  readonly #idle: Connection[] = []
  readonly #all = new Set<Connection>()
  #closed = false

  constructor(origin: string, options: ConnectionsOptions) {
    this.#origin = origin
    this.#options = options
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
      connect: { timeout: this.#options.connectTimeoutMs },
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

/** One request on one connection, with exactly one end. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #connection: Connection
  readonly #handler: UpstreamHandler
  readonly #giveBack: (reusable: boolean) => void
  #controller: Dispatcher.DispatchController | undefined
  #reused = false
  #ended = false

  constructor(connection: Connection, handler: UpstreamHandler, giveBack: (reusable: boolean) => void) {
    this.#connection = connection
    this.#handler = handler
    this.#giveBack = giveBack
  }

  start(request: UpstreamRequest): void {
    const { bodyBytes, headers } = request
    try {
      this.#connection.client.dispatch(
        {
          method: request.method as Dispatcher.HttpMethod,
          path: request.path,
          headers: bodyBytes === undefined ? headers : [...headers, 'content-length', String(bodyBytes)],
          // Its types leave out what it documents and does: iterables of buffers.
          body: request.body as Buffer | null,
        },
        this,
      )
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  abort(reason: Error): void {
    if (this.#ended) return
    if (this.#controller) this.#controller.abort(reason)
    else this.#fail(reason)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    this.#reused = this.#connection.served > 0
    this.#connection.served += 1
    // Given up while it was connecting: the request must not go out.
    if (this.#ended) controller.abort(new Error('given up'))
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _: unknown,
    text?: string,
  ): void {
    if (status < 200 || this.#ended) return
    this.#handler.onHead(status, text ?? '', (controller.rawHeaders ?? []) as Buffer[], controller)
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#ended) this.#handler.onData(chunk)
  }

  onResponseEnd(): void {
    if (this.#ended) return
    this.#ended = true
    this.#giveBack(true)
    this.#handler.onEnd()
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#fail(error)
  }

  #fail(error: Error): void {
    if (this.#ended) return
    this.#ended = true
    this.#giveBack(false)
    this.#handler.onFailure(classifyFailure(error, this.#controller !== undefined, this.#reused))
  }
}
