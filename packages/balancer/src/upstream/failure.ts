/**
 * How an attempt ended without an answer.
 * - `refused`: nobody listens, and the body was not sent; or somebody else listens (`strangerCode`).
 * - `unreachable`: the connection could not be opened for another reason; the body was not sent.
 * - `connect-timeout`: no connection in time; the body was not sent.
 * - `broke`: the connection ended after the request was written.
 * - `garbled`: what came back is not HTTP.
 * - `timeout`: no answer in time.
 * - `stalled`: given up because the instance hangs (see the health monitor).
 * - `unsendable`: the request cannot be written as HTTP/1.1; the client is to blame.
 * - `local`: this process lacks a resource (file descriptors, ports): the instance is not to blame.
 */
export type FailureKind =
  | 'refused'
  | 'unreachable'
  | 'connect-timeout'
  | 'broke'
  | 'garbled'
  | 'timeout'
  | 'stalled'
  | 'unsendable'
  | 'local'

export interface Failure {
  kind: FailureKind
  /** The request went out on a connection that had served another one: the instance may just have closed it. */
  reused: boolean
  /** System or undici code, for the log. */
  code: string
}

const localCodes = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM'])

/** Another program answers on the port of an instance that is gone. */
export const strangerCode = 'STRANGER'

export class StrangerError extends Error {
  override name = 'StrangerError'
  readonly code = strangerCode

  constructor() {
    super('somebody else answers on the port of the instance')
  }
}

/** Maps an error of undici or of the socket; `started` says that the request was written. */
export function classifyFailure(error: Error, started: boolean, reused: boolean): Failure {
  const code = codeOf(error)
  return { kind: kindOf(code, started), reused: started && reused, code }
}

function kindOf(code: string, started: boolean): FailureKind {
  if (code === strangerCode) return 'refused'
  if (localCodes.has(code)) return 'local'
  if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_NOT_SUPPORTED') return 'unsendable'
  if (!started) {
    if (code === 'ECONNREFUSED' || code === 'ENOENT') return 'refused'
    if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT') return 'connect-timeout'
    return 'unreachable'
  }
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') return 'timeout'
  if (code.startsWith('HPE_') && code !== 'HPE_INVALID_EOF_STATE') return 'garbled'
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return 'garbled'
  return 'broke'
}

function codeOf(error: Error): string {
  if (error instanceof AggregateError) {
    const inner = error.errors.find((each): each is Error => each instanceof Error)
    if (inner) return codeOf(inner)
  }
  const { code } = error as NodeJS.ErrnoException
  return typeof code === 'string' ? code : error.name
}
