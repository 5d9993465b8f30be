import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { AsrError, type CertificatePair } from '@asr-cluster/protocol'
import { joinShortWrites } from '../join-writes.js'
import { keepOtherUpgradesAsRequests } from '../websocket/upgrade-filter.js'
import { parserError, replyOnSocket } from './client-error.js'

/** For the head of a request; its body has a deadline of its own. */
const headersTimeoutMs = 30_000
/** As nginx: longer than any usual client pool keeps a connection. */
const keepAliveTimeoutMs = 75_000

export interface Listeners {
  handle: (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean) => void
  upgrade: (request: IncomingMessage, socket: Socket, head: Buffer) => void
  /** Whether an answer may be written to the socket after its bytes could not be parsed. */
  isFree: (socket: Socket) => boolean
}

/**
 * The HTTP server with everything set that the handlers do not see: limits, malformed requests, CONNECT. With a
 * certificate it speaks TLS, and HTTP/1.1 in it.
 */
export function createBalancerServer(
  { handle, upgrade, isFree }: Listeners,
  certificate?: CertificatePair,
): Server | TlsServer {
  const options = {
    headersTimeout: headersTimeoutMs,
    requestTimeout: 0,
    connectionsCheckingInterval: 5_000,
    keepAliveTimeout: keepAliveTimeoutMs,
    // Checked by us, with an answer that has a body.
    requireHostHeader: false,
    noDelay: true,
  }
  const server = certificate
    ? createTlsServer({
        ...options,
        cert: certificate.cert,
        key: certificate.key,
        handshakeTimeout: headersTimeoutMs,
      })
    : createServer(options)
  // Over TLS `connection` is the socket beneath.
  const connected = certificate ? 'secureConnection' : 'connection'
  server.on(connected, keepOtherUpgradesAsRequests)
  server.on(connected, joinShortWrites)
  server.on('request', (request, response) => handle(request, response, false))
  server.on('checkContinue', (request, response) => handle(request, response, true))
  // Behind a request that is being answered nothing may be written: that answer is then the last one.
  server.on('upgrade', (request, socket, head: Buffer) => {
    destroyOnError(socket)
    if (isFree(socket as Socket)) upgrade(request, socket as Socket, head)
  })
  server.on('checkExpectation', (_, response: ServerResponse) => {
    const error = new AsrError('invalid_request', 'The only expectation known is 100-continue.')
    if (isFree(response.req.socket)) replyOnSocket(response.req.socket, error)
  })
  server.on('connect', (_, socket: Duplex) => {
    destroyOnError(socket)
    if (isFree(socket as Socket))
      replyOnSocket(socket, new AsrError('method_not_allowed', 'This is no forward proxy.'))
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (error.code === 'ECONNRESET' || error.code === 'EPIPE') socket.destroy()
    // Without TLS there is nothing that both sides understand.
    else if (isHandshakeError(error.code)) socket.destroy()
    else if (isFree(socket as Socket)) replyOnSocket(socket, parserError(error.code))
  })
  return server
}

/** Node has taken its own listener off a socket that leaves HTTP: without one a client that resets it would end the process. */
function destroyOnError(socket: Duplex): void {
  socket.on('error', () => socket.destroy())
}

function isHandshakeError(code: string | undefined): boolean {
  return code !== undefined && /^ERR_(SSL|TLS)_/.test(code)
}
