import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { AsrError } from '@asr-cluster/protocol'
import { parserError, replyOnSocket } from './client-error.js'

/** For the head of a request; its body has a deadline of its own. */
const headersTimeoutMs = 30_000
/** As nginx: longer than any usual client pool keeps a connection. */
const keepAliveTimeoutMs = 75_000

type Handler = (request: IncomingMessage, response: ServerResponse, expectsContinue?: boolean) => void

/** The HTTP server with everything set that the handler does not see: limits, malformed requests, CONNECT. */
export function createBalancerServer(handle: Handler): Server {
  const server = createServer({
    headersTimeout: headersTimeoutMs,
    requestTimeout: 0,
    connectionsCheckingInterval: 5_000,
    keepAliveTimeout: keepAliveTimeoutMs,
    requireHostHeader: true,
    noDelay: true,
  })
  server.on('request', (request, response) => handle(request, response))
  server.on('checkContinue', (request, response) => handle(request, response, true))
  server.on('checkExpectation', (_, response: ServerResponse) => {
    replyOnSocket(
      response.socket as Duplex,
      new AsrError('invalid_request', 'The only expectation known is 100-continue.'),
      'Bad Request',
    )
  })
  server.on('connect', (_, socket: Duplex) => {
    replyOnSocket(
      socket,
      new AsrError('method_not_allowed', 'This is no forward proxy.'),
      'Method Not Allowed',
    )
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (error.code === 'ECONNRESET' || error.code === 'EPIPE') {
      socket.destroy()
      return
    }
    const mapped = parserError(error.code)
    replyOnSocket(socket, mapped, reasonOf(mapped.status))
  })
  return server
}

function reasonOf(status: number): string {
  const reasons: Record<number, string> = {
    408: 'Request Timeout',
    413: 'Content Too Large',
    431: 'Request Header Fields Too Large',
  }
  return reasons[status] ?? 'Bad Request'
}
