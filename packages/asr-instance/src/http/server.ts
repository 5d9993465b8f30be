import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { AsrError } from '@asr-cluster/protocol'
import type { Request, RequestHandler, Response } from 'express'
import type { Admit, ConnectionGuard } from '../guard/connection-guard.js'
import { serveRealtime } from '../realtime/upgrade.js'
import { createApp } from './app.js'
import { Connections } from './connections.js'
import { expectContinue } from './early-answer.js'
import { refusal, refuseOnSocket, type RefusedRequest } from './refusal.js'
import { requestIdFor } from './request-id.js'
import type { Service } from './service.js'

export interface InstanceServer {
  readonly http: Server
  readonly port: number
  /**
   * Stops listening, closes idle connections, and resolves when the last request has been answered. Clients that say
   * nothing, or not all of a request within the server's timeouts, are not waited for.
   */
  drain(): Promise<void>
}

/** Without a guard everybody is answered. Rejects with the error of `listen` (EADDRINUSE, EACCES, …). */
export async function startServer(
  service: Service,
  address: { host: string; port: number },
  guard?: ConnectionGuard,
): Promise<InstanceServer> {
  const app: RequestHandler = createApp(service)
  const http = createServer({
    requestTimeout: 300_000,
    headersTimeout: 60_000,
    requireHostHeader: false,
  })
  guard?.watch(http)
  const connections = new Connections(http)
  const admit: Admit = (socket, headers, go) => (guard ? guard.admit(socket, headers, go) : go())
  // Longer than any client pool keeps a connection: who closes first must be the one that sends requests.
  http.keepAliveTimeout = 120_000
  const answering = new WeakMap<Socket, ServerResponse>()
  const answer = (req: IncomingMessage, res: ServerResponse) => {
    answering.set(req.socket, res)
    // A connection that was busy when the listener closed becomes idle later, and nobody else closes it.
    res.once('close', () => {
      if (!http.listening) req.socket.end()
    })
    // Comes back with what Express cannot route, of which nothing of ours has said who answers.
    app(req as Request, res as Response, () => answerNoUrl(service, res))
  }
  const handle = (req: IncomingMessage, res: ServerResponse) => {
    connections.begin(req, res)
    admit(req.socket, req.headers, () => answer(req, res))
  }
  http.on('request', handle)
  serveRealtime(http, service, admit)
  http.on('checkContinue', (req: IncomingMessage, res: ServerResponse) => {
    expectContinue(req)
    handle(req, res)
  })
  // What Node would answer by itself does not say who answers; unknown expectations may be ignored (RFC 9110 §10.1.1).
  http.on('checkExpectation', handle)
  http.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    admit(socket, {}, () => refuse(service, error, socket, answering.get(socket)))
  })
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject)
    http.listen(address.port, address.host, () => {
      http.off('error', reject)
      resolve()
    })
  })
  return { http, port: (http.address() as AddressInfo).port, drain: () => drain(http, connections) }
}

function drain(http: Server, connections: Connections): Promise<void> {
  return new Promise((resolve) => {
    http.close(() => {
      stopClosing()
      resolve()
    })
    const stopClosing = connections.closeUnused()
  })
}

/** Answers what Node's parser refused; no Express has seen it. */
function refuse(
  service: Service,
  error: NodeJS.ErrnoException,
  socket: Socket,
  response: ServerResponse | undefined,
): void {
  const begun = response !== undefined && !response.writableFinished && response.headersSent
  if (error.code === 'ECONNRESET' || !socket.writable || begun) {
    socket.destroy()
    return
  }
  refuseOnSocket(service, socket, parserError(error), unread())
}

/** Where `url.parse` throws, as it does for more since Node 26. */
function answerNoUrl(service: Service, res: ServerResponse): void {
  const error = new AsrError('invalid_request', 'The target is no URL.')
  const { status, headers, body } = refusal(service, error, unread())
  res.writeHead(status, headers).end(body)
}

/** A request of which neither the path nor an id was understood. */
const unread = (): RefusedRequest => ({ path: '/', requestId: requestIdFor(undefined) })

function parserError(error: NodeJS.ErrnoException): AsrError {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return new AsrError('headers_too_large', 'The request headers are larger than 16 KiB.')
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new AsrError('request_timeout', 'The request did not arrive in time.')
    case 'HPE_INVALID_EOF_STATE':
      return new AsrError('invalid_request', 'The connection was closed before the request was complete.')
    default:
      return new AsrError('invalid_request', 'This is not a valid HTTP request.')
  }
}
