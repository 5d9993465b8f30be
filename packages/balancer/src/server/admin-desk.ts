import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  adminKeyHeader,
  adminPathPrefix,
  adminRequestSchema,
  AsrError,
  clientClosed,
  hashApiKey,
  type AdminAnswer,
  type AdminAsk,
  type AdminGone,
  type AdminRequest,
} from '@asr-cluster/protocol'
import type { Clock } from '../clock.js'

/** So many are answered at once: each followed log is one. */
const mostExchanges = 32
const largestBodyBytes = 16 * 1024
/** For the verdict on the key and the body together. */
const entryTimeoutMs = 10_000
/** A reader that is so far behind is cut off: the supervisor would go on sending lines. */
const mostUnsentBytes = 2 * 1024 * 1024

interface Exchange {
  response: ServerResponse
  requestId: string
  /** Settles with the end of the answer. */
  resolve: () => void
  reject: (error: AsrError) => void
}

/** Passes what administrators ask on to the supervisor, which judges their key, and its answers back. */
export class AdminDesk {
  readonly #clock: Clock
  readonly #open = new Map<string, Exchange>()
  /** Keys that the supervisor is judging, by exchange. */
  readonly #judged = new Map<string, (verdict: AdminAnswer['verdict']) => void>()
  /** Refuses one whose key is being judged, or whose body is being read. */
  readonly #entering = new Set<(error: AsrError) => void>()
  #send: ((message: AdminAsk | AdminGone) => void) | undefined
  #isClosed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A balancer that runs alone has nobody to ask. */
  connect(send: (message: AdminAsk | AdminGone) => void): void {
    this.#send = send
  }

  /** Answers with JSON lines. Throws AsrError as long as nothing was answered. */
  async handle(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    requestId: string,
    expectsContinue: boolean,
  ): Promise<void> {
    const send = this.#send
    if (!send) throw new AsrError('not_implemented', 'No supervisor runs this balancer.')
    const key = request.headers[adminKeyHeader]
    if (typeof key !== 'string') {
      throw new AsrError('unauthorized', `The request has no admin key in the header ${adminKeyHeader}.`)
    }
    this.#requireRoom()
    const keyHash = hashApiKey(key)
    const exchange = randomUUID()
    const asked = await this.#beforeDeadline(response, async () => {
      if (request.method === 'POST') {
        await this.#judge({ type: 'admin', exchange, keyHash }, send)
        if (expectsContinue && !response.destroyed) response.writeContinue()
      }
      return readRequest(request, path)
    }).finally(() => this.#judged.delete(exchange))
    if (response.destroyed) return
    this.#requireRoom()
    await new Promise<void>((resolve, reject) => {
      this.#open.set(exchange, { response, requestId, resolve, reject })
      response.once('close', () => {
        if (this.#open.delete(exchange)) send({ type: 'admin-gone', exchange })
        resolve()
      })
      send({ type: 'admin', exchange, keyHash, request: asked })
    })
  }

  onAnswer({ exchange, verdict, lines, end }: AdminAnswer): void {
    this.#judged.get(exchange)?.(verdict)
    const open = this.#open.get(exchange)
    if (!open) return
    if (verdict !== 'accepted') {
      this.#open.delete(exchange)
      open.reject(refusal(verdict))
      return
    }
    const { response, requestId } = open
    if (!response.headersSent) {
      response.writeHead(200, {
        'content-type': 'application/x-ndjson',
        'cache-control': 'no-store',
        'x-request-id': requestId,
      })
      response.flushHeaders()
    }
    for (const line of lines) response.write(`${JSON.stringify(line)}\n`)
    if (end) this.#finish(exchange, open)
    else if (response.writableLength > mostUnsentBytes) response.destroy()
  }

  /** Ends every answer: a followed log would keep a draining balancer for ever. */
  close(): void {
    this.#isClosed = true
    for (const refuse of this.#entering) refuse(draining())
    for (const [exchange, open] of this.#open) {
      this.#send?.({ type: 'admin-gone', exchange })
      if (open.response.headersSent) this.#finish(exchange, open)
      else {
        this.#open.delete(exchange)
        open.reject(draining())
      }
    }
  }

  #requireRoom(): void {
    if (this.#isClosed) throw draining()
    if (this.#open.size < mostExchanges) return
    const message = `${mostExchanges} administrators are being served already.`
    throw new AsrError('queue_full', message, { retryAfterSeconds: 1 })
  }

  /** As `enter`, but rejects after the deadline, when the client goes away and when the desk closes. */
  async #beforeDeadline<T>(response: ServerResponse, enter: () => Promise<T>): Promise<T> {
    let refuse: (error: AsrError) => void = () => undefined
    const refused = new Promise<never>((_, reject) => {
      refuse = reject
    })
    const onClose = (): void => refuse(clientClosed())
    const late = `The request was not complete within ${entryTimeoutMs / 1_000} s.`
    const cancel = this.#clock.after(entryTimeoutMs, () => refuse(new AsrError('request_timeout', late)))
    response.once('close', onClose)
    this.#entering.add(refuse)
    try {
      return await Promise.race([enter(), refused])
    } finally {
      cancel()
      response.off('close', onClose)
      this.#entering.delete(refuse)
    }
  }

  /** Rejects with the AsrError of a key that is not let in. */
  async #judge(ask: AdminAsk, send: (message: AdminAsk) => void): Promise<void> {
    const verdict = await new Promise<AdminAnswer['verdict']>((resolve) => {
      this.#judged.set(ask.exchange, resolve)
      send(ask)
    })
    if (verdict !== 'accepted') throw refusal(verdict)
  }

  #finish(exchange: string, { response, resolve }: Exchange): void {
    this.#open.delete(exchange)
    response.end()
    resolve()
  }
}

function draining(): AsrError {
  return new AsrError('draining', 'The balancer is draining.', { retryAfterSeconds: 1 })
}

function refusal(verdict: 'wrong-key' | 'disabled'): AsrError {
  return verdict === 'disabled'
    ? new AsrError('admin_disabled', 'No admin key is configured.')
    : new AsrError('unauthorized', 'This is not an admin key of this cluster.')
}

async function readRequest(request: IncomingMessage, path: string): Promise<AdminRequest> {
  const { pathname, searchParams } = new URL(path, 'http://balancer')
  const operation = pathname.slice(adminPathPrefix.length)
  const body = request.method === 'POST' ? await readJson(request) : queryOf(searchParams)
  const parsed = adminRequestSchema.safeParse({ ...body, operation })
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new AsrError('invalid_request', `\`${issue?.path.join('.') ?? ''}\`: ${issue?.message}.`)
}

function queryOf(query: URLSearchParams): object {
  const [id, lines] = [query.get('id'), query.get('lines')]
  return { ...(id === null ? {} : { id }), ...(lines === null ? {} : { lines: Number(lines) }) }
}

async function readJson(request: IncomingMessage): Promise<object> {
  const text = await readText(request)
  try {
    const body: unknown = JSON.parse(text || '{}')
    if (typeof body === 'object' && body !== null) return body
  } catch {
    // Said below.
  }
  throw new AsrError('invalid_request', 'The body is not a JSON object.')
}

/** Not by iteration, which destroys a request that is too large together with the connection for the answer. */
function readText(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= largestBodyBytes) chunks.push(chunk)
      else reject(new AsrError('file_too_large', 'The request is too large.'))
    })
    request.on('end', () => resolve(Buffer.concat(chunks).toString()))
    request.on('close', () => reject(clientClosed()))
  })
}
