import { errorBody, type AsrError } from '@asr-cluster/protocol'
import type { Response } from 'express'

/**
 * Server-sent events. The response begins with the first event and not before, so that until then an error can
 * have its status, and a balancer can send the request to another instance.
 */
export class EventStream {
  readonly #res: Response
  readonly #path: string

  constructor(res: Response, path: string) {
    this.#res = res
    this.#path = path
  }

  get started(): boolean {
    return this.#res.headersSent
  }

  send(event: object): void {
    if (!this.started) {
      this.#res.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache, no-transform',
        'x-accel-buffering': 'no',
      })
    }
    this.#res.write(`data: ${JSON.stringify(event)}\n\n`)
  }

  /** Ends with an event by which clients know that the text is not whole. */
  fail(error: AsrError): void {
    this.send({ type: 'error', ...errorBody(error, this.#path) })
    this.#res.end()
  }

  end(): void {
    this.#res.end()
  }
}
