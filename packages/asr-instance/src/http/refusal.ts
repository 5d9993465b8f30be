import type { Duplex } from 'node:stream'
import { renderError, type AsrError } from '@asr-cluster/protocol'
import { originHeaders } from './origin-headers.js'
import type { Service } from './service.js'

/** An error as an answer where Express has no part; the connection ends with it. `path` decides how it is written. */
export function refusal(service: Service, error: AsrError, { path, requestId }: RefusedRequest) {
  const { status, headers, body } = renderError(error, path)
  const more = {
    'x-request-id': requestId,
    ...originHeaders(service.options),
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  }
  return { status, headers: { ...headers, ...more }, body }
}

export interface RefusedRequest {
  path: string
  requestId: string
}

/** The same where there is not even a response of Node's. The socket is closed once the answer is on its way. */
export function refuseOnSocket(
  service: Service,
  socket: Duplex,
  error: AsrError,
  request: RefusedRequest,
): void {
  const { status, headers, body } = refusal(service, error, request)
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  // Sockets of HTTP stay half open: a client that keeps its end would hold this one for ever.
  socket.once('finish', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status} Refused\r\n${lines.join('')}\r\n${body}`)
}
