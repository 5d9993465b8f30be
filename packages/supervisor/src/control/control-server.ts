import { chmodSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { isSocketAlive } from './find-cluster.js'

const longestBody = 1_000_000
/** So much may wait for a client that does not read, besides what it asked for of the past. */
const mostWaitingBytes = 4_000_000

/** Writes a JSON line; one that may be dropped is where the client does not keep up, and `{ dropped }` says how many. */
export type WriteLine = (line: unknown, mayBeDropped?: boolean) => void

/** Says a line to the caller while an operation goes on; `waits` when it has not begun yet. */
export type Say = (line: string, waits?: boolean) => void

/** One of the operations. `gone` aborts when the caller is there no longer: what has begun then goes on. */
export type Operation = (body: unknown, say: Say, gone?: AbortSignal) => Promise<OperationResult>

export interface OperationResult {
  ok: boolean
  message?: string
  data?: unknown
}

export interface LogRequest {
  id: string | null
  lines: number
  follow: boolean
}

/** What can be asked of a running supervisor. */
export interface ControlApi {
  status(): unknown
  /** Base URL at which this machine reaches the balancer. */
  balancerUrl(): string
  /** PEM of the certificate that the balancer presents; null without TLS. */
  certificate(): Promise<string | null>
  /** Writes JSON lines until it is through, or, when following, until `signal` aborts. */
  logs(request: LogRequest, write: WriteLine, signal: AbortSignal): Promise<void>
  /** Operations by name; each is `POST /NAME` with a JSON object. */
  operations: Readonly<Record<string, Operation>>
}

export class AlreadyRunningError extends Error {
  override name = 'AlreadyRunningError'
}

/**
 * Serves the control API on a Unix socket that only its owner can open. Answers of operations are JSON lines,
 * so that the caller sees what goes on. Throws AlreadyRunningError if another supervisor is there.
 */
export async function serveControl(path: string, api: ControlApi): Promise<Server> {
  if (await isSocketAlive(path)) throw new AlreadyRunningError(`a supervisor already serves ${path}`)
  // A file that nobody accepts on is left over from a supervisor that was killed.
  rmSync(path, { force: true })
  const server = createServer((request, response) => {
    handle(api, request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy()
      else sendJson(response, 500, { error: error instanceof Error ? error.message : String(error) })
    })
  })
  // A `logs --follow` of a sleeping terminal must not be cut.
  server.requestTimeout = 0
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    // The file appears within this call; nobody may open it before its mode is right.
    const previousMask = process.umask(0o177)
    server.listen(path, resolve)
    process.umask(previousMask)
  })
  chmodSync(path, 0o600)
  return server
}

async function handle(api: ControlApi, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://supervisor')
  const name = url.pathname.slice(1)
  if (request.method === 'GET' && name === 'status') return sendJson(response, 200, api.status())
  if (request.method === 'GET' && name === 'certificate') {
    return sendJson(response, 200, {
      balancerUrl: api.balancerUrl(),
      certificate: await api.certificate(),
    })
  }
  if (request.method === 'GET' && name === 'logs') {
    const write = startLines(response)
    await api.logs(
      {
        id: url.searchParams.get('id'),
        lines: Number(url.searchParams.get('lines') ?? 100),
        follow: url.searchParams.get('follow') === '1',
      },
      write,
      untilClosed(response),
    )
    response.end()
    return
  }
  const operation = Object.hasOwn(api.operations, name) ? api.operations[name] : undefined
  if (!operation || request.method !== 'POST')
    return sendJson(response, 404, { error: `no route ${url.pathname}` })
  const body = await readJson(request)
  if (body === undefined) return sendJson(response, 400, { error: 'the body is no JSON, or too long' })
  const write = startLines(response)
  let result: OperationResult
  try {
    const say: Say = (line, waits) => write(waits ? { line, waits } : { line })
    result = await operation(body, say, untilClosed(response))
  } catch (error) {
    result = { ok: false, message: error instanceof Error ? error.message : String(error) }
  }
  write({ done: true, ...result })
  response.end()
}

function untilClosed(response: ServerResponse): AbortSignal {
  const closed = new AbortController()
  response.once('close', () => closed.abort())
  return closed.signal
}

/** Undefined for what is no JSON of a few names and numbers. */
async function readJson(request: IncomingMessage): Promise<unknown> {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) {
    body += chunk as string
    if (body.length > longestBody) return undefined
  }
  try {
    return JSON.parse(body || '{}')
  } catch {
    return undefined
  }
}

function startLines(response: ServerResponse): WriteLine {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  response.flushHeaders()
  const write = (line: unknown): void => void response.write(`${JSON.stringify(line)}\n`)
  let most = mostWaitingBytes
  let dropped = 0
  return (line, mayBeDropped = false) => {
    if (mayBeDropped && (dropped > 0 || response.writableLength > most)) {
      if (dropped === 0) {
        response.once('drain', () => {
          if (!response.writableEnded) write({ dropped })
          dropped = 0
        })
      }
      dropped += 1
      return
    }
    write(line)
    if (!mayBeDropped) most = response.writableLength + mostWaitingBytes
  }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}
