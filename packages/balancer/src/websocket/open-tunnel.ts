import type { ClientRequest, IncomingMessage } from 'node:http'
import { isIP, type Socket } from 'node:net'
import { identityHeader } from '@asr-cluster/protocol'
import { createProxyServer } from 'http-proxy'
import type { Clock } from '../clock.js'
import { shownMark } from '../server/headers.js'
import { judgeAnswers } from './judge-answers.js'
import { Tunnel } from './tunnel.js'

export interface OpenOptions {
  request: IncomingMessage
  socket: Socket
  head: Buffer
  target: string
  /** Added to the request to the instance: name, value, … */
  requestHeaders: readonly string[]
  /** Added to the answer to the client. */
  responseHeaders: Record<string, string>
  clock: Clock
  /** Whether an answer that shows this mark, or none, is of somebody else: it then counts as a failure. */
  isStranger: (mark: string | undefined) => boolean
  /** Whether nobody else is left to be asked if this one refuses. */
  isLast: () => boolean
  /** To open the connection. */
  connectTimeoutMs: number
  /** For the answer after that. */
  answerTimeoutMs: number
}

export type Opening =
  | { kind: 'open'; tunnel: Tunnel; instance: Socket }
  /** The instance gave an ordinary answer, which was passed on. */
  | { kind: 'answered'; status: number }
  /** Nothing has reached the client; a DeclinedError when the instance takes no work. */
  | { kind: 'failed'; error: Error; connected: boolean }
  | { kind: 'client-gone' }

/**
 * Opens a WebSocket to `target` for the client. The head is put back into the client's socket. Rejects only with what
 * the library throws at a request that it cannot make; the client's socket is then as it was.
 */
export function openTunnel(options: OpenOptions): Promise<Opening> {
  const { request, socket, head, target, requestHeaders, responseHeaders, isStranger, isLast } = options
  const { clock, connectTimeoutMs, answerTimeoutMs } = options
  // The library closes the client's socket after any failure; while nothing was answered another instance may be tried.
  const destroySoon = socket.destroySoon.bind(socket)
  socket.destroySoon = () => undefined
  return new Promise((resolve) => {
    let upstream: ClientRequest | undefined
    let connected = false
    let cancelDeadline: (() => void) | undefined
    const onClientGone = (): void => {
      upstream?.destroy()
      settle({ kind: 'client-gone' })
    }
    const restore = (): void => {
      socket.destroySoon = destroySoon
    }
    const settle = (opening: Opening): void => {
      cancelDeadline?.()
      socket.off('close', onClientGone)
      // The library closes the socket right after it told of a failure.
      if (opening.kind === 'failed') setImmediate(restore)
      else restore()
      setImmediate(resolve, opening)
    }
    const replaceHeaders = ({ headers }: IncomingMessage): void => {
      delete headers[identityHeader]
      Object.assign(headers, responseHeaders)
    }
    // Else the name that the certificate has to be for would be that of the client's Host header.
    const { hostname } = new URL(target)
    const proxy = createProxyServer({ target, ssl: { servername: isIP(hostname) ? '' : hostname } })
    proxy.on('error', () => undefined)
    proxy.on('proxyReqWs', (clientRequest) => {
      upstream = clientRequest
      // The library listens only once everything below has been done.
      clientRequest.on('error', () => undefined)
      for (let index = 0; index < requestHeaders.length; index += 2)
        clientRequest.setHeader(requestHeaders[index] as string, requestHeaders[index + 1] as string)
      judgeAnswers(clientRequest, ({ headers }) => isStranger(shownMark(headers)), isLast)
      const expireAfter = (delayMs: number, code: string): void => {
        cancelDeadline?.()
        cancelDeadline = clock.after(delayMs, () => clientRequest.destroy(new TimeoutError(code)))
      }
      expireAfter(connectTimeoutMs, connectTimeoutCode)
      clientRequest.on('socket', (connection) => {
        connection.once('encrypted' in connection ? 'secureConnect' : 'connect', () => {
          connected = true
          expireAfter(answerTimeoutMs, answerTimeoutCode)
        })
      })
      clientRequest.on('upgrade', replaceHeaders)
      clientRequest.on('response', (answer) => {
        replaceHeaders(answer)
        // The library ends the client's connection only after an answer that is complete.
        answer.on('close', () => {
          if (!answer.complete) socket.destroy()
        })
        settle({ kind: 'answered', status: answer.statusCode ?? 502 })
      })
    })
    proxy.on('open', (instance) => settle({ kind: 'open', tunnel: new Tunnel(socket, instance), instance }))
    socket.once('close', onClientGone)
    try {
      proxy.ws(request, socket, head, {}, (error) => settle({ kind: 'failed', error, connected }))
    } catch (error) {
      upstream?.destroy()
      cancelDeadline?.()
      socket.off('close', onClientGone)
      restore()
      throw error
    }
  })
}

/** As undici would say it, so that a failure of either is judged alike. */
const connectTimeoutCode = 'UND_ERR_CONNECT_TIMEOUT'
const answerTimeoutCode = 'UND_ERR_HEADERS_TIMEOUT'

class TimeoutError extends Error {
  override name = 'TimeoutError'
  readonly code: string

  constructor(code: string) {
    super('no answer in time')
    this.code = code
  }
}
