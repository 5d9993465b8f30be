import type { ServerResponse } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { AsrError } from '@asr-cluster/protocol'

/**
 * Ends an answer that will not be whole so that its client sees it: without the last chunk, and an event stream with an
 * event that says why.
 */
export function breakOff(response: ServerResponse, eventStream: boolean, { message, code }: AsrError): void {
  if (!eventStream) {
    cut(response)
    return
  }
  const error = { message, type: 'server_error', code }
  response.write(`event: error\ndata: ${JSON.stringify({ type: 'error', error })}\n\n`, () =>
    response.destroy(),
  )
}

/** For HTTP/1.0 an answer without a length ends with its connection: only a reset, or TLS without its last word, is no end. */
function cut(response: ServerResponse): void {
  const { httpVersion, socket } = response.req
  if (httpVersion === '1.0' && !(socket instanceof TLSSocket)) socket.resetAndDestroy()
  else response.destroy()
}
