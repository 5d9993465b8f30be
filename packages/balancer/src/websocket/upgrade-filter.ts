import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { hasBody } from '../server/respond.js'

type OnIncoming = (request: IncomingMessage, keepAlive: boolean) => number

/**
 * With an `upgrade` listener Node takes every request with an Upgrade header off HTTP, although a server may ignore the
 * offer (RFC 9110 §7.8): Java's HttpClient and `curl --http2` offer h2c with ordinary requests. Only WebSockets are
 * to be upgraded, the others stay requests.
 */
export function keepOtherUpgradesAsRequests(socket: Socket): void {
  const { parser } = socket as Socket & { parser?: { onIncoming?: OnIncoming } }
  const onIncoming = parser?.onIncoming
  if (!onIncoming) return
  parser.onIncoming = (request, keepAlive) => {
    const offered = request as IncomingMessage & { upgrade: boolean | null }
    if (offered.upgrade && request.method !== 'CONNECT' && !isWebSocket(request)) offered.upgrade = false
    return onIncoming(request, keepAlive)
  }
}

/** One with a body is none, and Node 26 would hand over a stream that lacks half of a socket. */
export function isWebSocket(request: IncomingMessage): boolean {
  const { headers, method } = request
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket' && !hasBody(request)
}
