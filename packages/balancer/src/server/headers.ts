import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import {
  adminKeyHeader,
  callerHeader,
  identityHeader,
  isRequestId,
  priorityHeader,
  probeHeader,
} from '@asr-cluster/protocol'

/** Headers of one connection, never forwarded (RFC 9110 §7.6.1), with the two that node-http-proxy crashed on. */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Set or checked by the balancer, so the client's own are not passed on. */
const replacedInRequest = new Set([
  'content-length',
  'expect',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-real-ip',
  'x-request-id',
  probeHeader,
  adminKeyHeader,
  callerHeader,
])
const replacedInResponse = new Set(['x-request-id', 'x-asr-instance', identityHeader])

/** How a socket for both protocols writes an address of IPv4. */
const mappedPrefix = '::ffff:'

/** Which headers go on, by their name as it is written; remembers the usual ones. */
class ForwardedNames {
  readonly #kept: readonly ReadonlySet<string>[]
  readonly #known = new Map<string, boolean>()

  constructor(...kept: readonly ReadonlySet<string>[]) {
    this.#kept = kept
  }

  isForwarded(name: string): boolean {
    let forwarded = this.#known.get(name)
    if (forwarded === undefined) {
      const lower = name.toLowerCase()
      forwarded = !this.#kept.some((names) => names.has(lower))
      if (this.#known.size < mostKnownNames) this.#known.set(name, forwarded)
    }
    return forwarded
  }
}

const mostKnownNames = 500
const requestNames = new ForwardedNames(hopByHop, replacedInRequest)
const responseNames = new ForwardedNames(hopByHop, replacedInResponse)

/** The client's request id when it is harmless in logs and headers, else a new one. */
export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id']
  return isRequestId(given) ? given : nextRequestId()
}

/** Unique to this process by chance and within it by count: a random id for each request would cost more. */
const idPrefix = randomBytes(9).toString('base64url')
let idsGiven = 0

function nextRequestId(): string {
  idsGiven += 1
  return `${idPrefix}-${idsGiven.toString(36)}`
}

/** Headers for the instance: name, value, name, value, … */
export function forwardedRequestHeaders(request: IncomingMessage, requestId: string): string[] {
  const { rawHeaders, headers, socket } = request
  const drop = connectionTokens(headers.connection)
  const result: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    if (!requestNames.isForwarded(name) || drop?.has(name.toLowerCase())) continue
    result.push(name, rawHeaders[index + 1] as string)
  }
  const address = clientAddress(request)
  const before = headers['x-forwarded-for']
  const chain = typeof before === 'string' && before !== '' ? `${before}, ${address}` : address
  result.push('x-forwarded-for', chain, 'x-real-ip', address, 'x-request-id', requestId)
  result.push('x-forwarded-proto', 'encrypted' in socket ? 'https' : 'http')
  if (headers.host) result.push('x-forwarded-host', headers.host)
  return result
}

/** The client's trace goes on with our span, where there is one; else its headers stay as they are. */
export function withTraceHeaders(headers: string[], trace: Readonly<Record<string, string>>): string[] {
  const own = Object.entries(trace)
  if (own.length === 0) return headers
  const kept: string[] = []
  for (let index = 0; index < headers.length; index += 2) {
    const name = (headers[index] as string).toLowerCase()
    if (name !== 'traceparent' && name !== 'tracestate')
      kept.push(headers[index] as string, headers[index + 1] as string)
  }
  return [...kept, ...own.flat()]
}

/** Headers of an instance's answer for the client. `rawHeaders` alternates names and values. */
export function forwardedResponseHeaders(
  rawHeaders: readonly Buffer[],
  requestId: string,
  instance: string,
): string[] {
  let drop: Set<string> | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as Buffer
    if (name.length !== 'connection'.length || text(name).toLowerCase() !== 'connection') continue
    drop = connectionTokens(text(rawHeaders[index + 1] as Buffer))
  }
  const result: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = text(rawHeaders[index] as Buffer)
    if (!responseNames.isForwarded(name) || drop?.has(name.toLowerCase())) continue
    result.push(name, text(rawHeaders[index + 1] as Buffer))
  }
  result.push('x-request-id', requestId, 'x-asr-instance', instance)
  return result
}

/** The mark of its identity that a server shows with an answer. */
export function shownMark(headers: IncomingHttpHeaders): string | undefined {
  const mark = headers[identityHeader]
  return typeof mark === 'string' ? mark : undefined
}

/** As `headerValue`, for an answer as it came. */
export function rawHeaderValue(rawHeaders: readonly Buffer[], wanted: string): string | undefined {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as Buffer
    if (name.length === wanted.length && text(name).toLowerCase() === wanted)
      return text(rawHeaders[index + 1] as Buffer)
  }
  return undefined
}

/** First value of a header, lower-case name, in a list of alternating names and values. */
export function headerValue(headers: readonly string[], name: string): string | undefined {
  for (let index = 0; index < headers.length; index += 2) {
    const other = headers[index] as string
    if (other.length === name.length && other.toLowerCase() === name) return headers[index + 1]
  }
  return undefined
}

/** Sets headers, with names in lower case, in the place of any that have their names. Both alternate names and values. */
export function setHeaders(headers: string[], set: readonly string[]): void {
  for (let index = headers.length - 2; index >= 0; index -= 2) {
    const name = (headers[index] as string).toLowerCase()
    if (set.some((other, position) => position % 2 === 0 && other === name)) headers.splice(index, 2)
  }
  headers.push(...set)
}

export function clientAddress(request: IncomingMessage): string {
  const address = request.socket.remoteAddress ?? 'unknown'
  return address.startsWith(mappedPrefix) ? address.slice(mappedPrefix.length) : address
}

function connectionTokens(value: string | undefined): Set<string> | undefined {
  if (value === undefined || value === 'keep-alive' || value === 'close') return undefined
  const tokens = value.split(',').map((token) => token.trim().toLowerCase())
  return tokens.every((token) => token === 'keep-alive' || token === 'close') ? undefined : new Set(tokens)
}

function text(bytes: Buffer): string {
  return bytes.toString('latin1')
}

/** Whether the request gives way to all others. */
export function isLow({ headers }: IncomingMessage): boolean {
  return headers[priorityHeader] === 'low'
}
