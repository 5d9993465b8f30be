import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { renderError, type AsrError } from '@asr-cluster/protocol'

/**
 * How long the rest of a refused body is read and thrown away, so that the client gets to read the answer: after what came
 * last, and at most. As nginx's `lingering_timeout` and `lingering_time`, but for the first: between the head and 100 MB of
 * form data `fetch` computes for seconds on a busy machine, in which it reads nothing.
 */
const lingerIdleMs = 10_000
const lingerMostMs = 30_000

export interface Reply {
  status: number
  headers?: Record<string, string>
  body: string | Buffer
}

/** Answers with a whole body; does nothing when the client is gone or an answer has begun. */
export function reply(request: IncomingMessage, response: ServerResponse, answer: Reply): void {
  if (response.headersSent || response.destroyed) return
  const body = typeof answer.body === 'string' ? Buffer.from(answer.body) : answer.body
  discardBody(request, response)
  response.writeHead(answer.status, { ...answer.headers, 'content-length': body.length })
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** To be called before the head of an answer to a request whose body, if it has one, nobody reads. */
export function discardBody(request: IncomingMessage, response: ServerResponse): void {
  if (!request.complete && hasBody(request)) lingerBeforeClose(request, response)
}

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length']) > 0
}

export function replyError(
  request: IncomingMessage,
  response: ServerResponse,
  error: AsrError,
  pathname: string,
  requestId: string,
): void {
  const rendered = renderError(error, pathname)
  reply(request, response, { ...rendered, headers: { ...rendered.headers, 'x-request-id': requestId } })
}

/**
 * Closing a socket with unread data sends a reset, which can overtake the answer: the client would see an error instead
 * of our 413. So only our side is closed, and the rest of the body is read for a moment.
 */
function lingerBeforeClose(request: IncomingMessage, response: ServerResponse): void {
  response.shouldKeepAlive = false
  const socket: Socket = request.socket
  socket.destroySoon = () => {
    if (socket.writable) socket.end()
    const timers = [lingerIdleMs, lingerMostMs].map((ms) => setTimeout(() => socket.destroy(), ms))
    request.on('data', () => timers[0]?.refresh())
    socket.once('close', () => timers.forEach(clearTimeout))
  }
  request.resume()
}
