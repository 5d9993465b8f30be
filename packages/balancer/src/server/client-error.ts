import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { AsrError, renderError } from '@asr-cluster/protocol'

/** What a client did that the HTTP parser refused. */
export function parserError(code: string | undefined): AsrError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new AsrError('headers_too_large', 'The headers of the request are larger than 16 KiB.')
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new AsrError('file_too_large', 'The chunk extensions of the request are too long.')
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new AsrError('request_timeout', 'The head of the request did not arrive in time.')
    default:
      return new AsrError('invalid_request', 'This is not a valid HTTP/1.1 request.')
  }
}

/** Answers on a socket that has no response object; the connection cannot be used any further. */
export function replyOnSocket(
  socket: Duplex,
  error: AsrError,
  about: { path?: string; requestId?: string } = {},
): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const { status, headers, body } = renderError(error, about.path ?? '')
  const all = {
    ...headers,
    ...(about.requestId === undefined ? {} : { 'x-request-id': about.requestId }),
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`, () =>
    socket.destroy(),
  )
}
