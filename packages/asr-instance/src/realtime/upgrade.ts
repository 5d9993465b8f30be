import { randomUUID } from 'node:crypto'
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { AsrError, toAsrError } from '@asr-cluster/protocol'
import { WebSocketServer, type WebSocket } from 'ws'
import type { Engine } from '../engine/engine.js'
import type { Admit } from '../guard/connection-guard.js'
import { originHeaders } from '../http/origin-headers.js'
import { refuseOnSocket } from '../http/refusal.js'
import { requestIdFor } from '../http/request-id.js'
import type { Service } from '../http/service.js'
import type { Dialect } from './session-config.js'
import { RealtimeSession } from './session.js'

export const realtimePath = '/v1/realtime'

const pingIntervalMs = 30_000
/** A slot is held for as long as the connection lasts, so a client that says nothing has to come back. */
const idleTimeoutMs = 300_000
/** OpenAI's limit of 15 MiB for one append, as base64. */
const maxMessageBytes = 20 * 2 ** 20
const maxUnreadBytes = 8 * 2 ** 20
/** Of a client that sends faster than its sound is transcribed nothing is read meanwhile. */
const mostUndecidedSeconds = 300

/** Serves realtime sessions on the upgrade requests of a server. */
export function serveRealtime(http: Server, service: Service, admit: Admit): void {
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: maxMessageBytes,
    // Browsers cannot set headers, so they offer their key as a protocol; `realtime` is the one to agree on.
    handleProtocols: (protocols) => (protocols.has('realtime') ? 'realtime' : false),
  })
  // Its own refusals would not say who answers.
  sockets.on('wsClientError', (error, socket, req) => {
    const told = new AsrError('invalid_request', error.message)
    refuse(service, socket, told, requestIdFor(req.headers['x-request-id']))
  })
  http.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    const requestId = requestIdFor(req.headers['x-request-id'])
    // For the answers that the library writes.
    req.headers['x-request-id'] = requestId
    // Since Node 26 `socket` is only a stream on it where the request has a body.
    admit(req.socket, req.headers, () => {
      accept(service, req, socket)
        .then((release) => {
          if (socket.destroyed) return release()
          socket.once('close', release)
          let isOpen = false
          try {
            // Anew, as a drain may have begun while the slot was waited for.
            const engine = service.requireEngine()
            // Calls back before it returns, unless it refuses.
            sockets.handleUpgrade(req, socket, head, (webSocket) => {
              isOpen = true
              startSession(service, engine, webSocket, req, requestId)
            })
          } finally {
            if (!isOpen) release()
          }
        })
        .catch((error: unknown) => refuse(service, socket, toAsrError(error), requestId))
    })
  })
  sockets.on('headers', (headers, req) => {
    headers.push(`x-request-id: ${requestIdFor(req.headers['x-request-id'])}`)
    for (const [name, value] of Object.entries(originHeaders(service.options)))
      headers.push(`${name}: ${value}`)
  })
}

/** Checks the request and takes a slot. */
async function accept(service: Service, req: IncomingMessage, socket: Duplex): Promise<() => void> {
  const { pathname, searchParams } = new URL(req.url ?? '/', 'http://localhost')
  if (pathname !== realtimePath) throw new AsrError('not_found', 'There is no WebSocket here.')
  const intent = searchParams.get('intent') ?? 'transcription'
  if (intent !== 'transcription') {
    throw new AsrError('unsupported_value', 'Only `intent=transcription` is served.', { param: 'intent' })
  }
  service.requireEngine()
  service.requireModel(searchParams.get('model') ?? '')
  const gone = new AbortController()
  socket.once('close', () => gone.abort())
  return service.slots.acquire(gone.signal)
}

function startSession(
  service: Service,
  engine: Engine,
  socket: WebSocket,
  req: IncomingMessage,
  requestId: string,
): void {
  const log = service.options.log.child({ requestId })
  const session = new RealtimeSession({
    engine,
    dialect: dialectOf(req),
    requireModel: (name) => service.requireModel(name),
    newId: (prefix) => `${prefix}_${randomUUID().replaceAll('-', '')}`,
    onDecided: keepPace,
    log,
    send(event) {
      // A client that does not read would fill the memory.
      if (socket.bufferedAmount > maxUnreadBytes) socket.terminate()
      else if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(event))
    },
  })
  function keepPace(): void {
    if (session.undecidedSeconds > mostUndecidedSeconds) socket.pause()
    else if (socket.isPaused) socket.resume()
  }
  let lastHeard = performance.now()
  let answeredPing = true
  socket.on('pong', () => (answeredPing = true))
  socket.on('message', (data, isBinary) => {
    lastHeard = performance.now()
    if (isBinary) socket.close(1003, 'events are JSON text')
    else session.receive((data as Buffer).toString())
    keepPace()
  })
  socket.on('error', (error) => log.info({ err: error }, 'realtime connection failed'))
  const timer = setInterval(() => {
    if (socket.isPaused) {
      // It cannot be heard; that it is gone shows when something is written.
      lastHeard = performance.now()
      answeredPing = true
      return socket.ping()
    }
    if (!answeredPing) return socket.terminate()
    if (performance.now() - lastHeard > idleTimeoutMs)
      return socket.close(1000, 'nothing heard for 5 minutes')
    answeredPing = false
    socket.ping()
  }, pingIntervalMs)
  const forgetDrain = service.onDrain(() => {
    void session.finish().then(() => socket.close(1001, 'this instance is shutting down'))
  })
  socket.on('close', (code) => {
    clearInterval(timer)
    forgetDrain()
    session.cancel()
    log.info({ code }, 'realtime session ended')
  })
  log.info('realtime session started')
}

function dialectOf(req: IncomingMessage): Dialect {
  const beta = `${req.headers['openai-beta'] ?? ''} ${req.headers['sec-websocket-protocol'] ?? ''}`
  return beta.includes('realtime=v1') || beta.includes('openai-beta.realtime-v1') ? 'beta' : 'ga'
}

function refuse(service: Service, socket: Duplex, error: AsrError, requestId: string): void {
  if (socket.destroyed) return
  // What is not read when the socket is closed would reset the connection, and may take the answer with it.
  socket.resume()
  refuseOnSocket(service, socket, error, { path: realtimePath, requestId })
}
