import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { priorityHeader, startDeadline } from '@asr-cluster/protocol'
import { ToolError } from '../common/tool-error.js'
import { multipart } from './multipart.js'
import { post, type PostAnswer } from './post.js'
import { headerOf, toServerError, type ServerError } from './server-error.js'

export interface ClusterClientOptions {
  /** Without a final slash. */
  baseUrl: string
  /** Sent as a bearer token to this server only. */
  apiKey?: string | undefined
  /** Of one request, waiting in the queue included. */
  timeoutMs?: number
  /** How often a request that the server was too busy for is sent again. */
  retries?: number
  /** Give way to all other requests; the request is sent again until it gets through. */
  lowPriority?: boolean
  sleep?: (ms: number, signal?: AbortSignal) => Promise<void>
}

export interface TranscriptionRequest {
  path: string
  /** One of the names of a model; empty for any. */
  model?: string | undefined
  /** Form fields besides the file; empty ones are left out. */
  fields: Readonly<Record<string, string>>
  signal?: AbortSignal | undefined
}

export interface TranscriptionAnswer {
  /** In the format that was asked for. */
  body: string
  /** Which instance answered. */
  instance: string | null
  requestId: string | null
}

const defaultTimeoutMs = 3_600_000
const longestWaitMs = 30_000

/** A client of `POST /v1/audio/transcriptions`. */
export class ClusterClient {
  readonly baseUrl: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #timeoutMs: number
  readonly #retries: number
  readonly #sleep: (ms: number, signal?: AbortSignal) => Promise<void>

  constructor(options: ClusterClientOptions) {
    this.baseUrl = options.baseUrl
    this.#headers = {
      ...(options.apiKey ? { authorization: `Bearer ${options.apiKey}` } : {}),
      ...(options.lowPriority ? { [priorityHeader]: 'low' } : {}),
    }
    this.#timeoutMs = options.timeoutMs ?? defaultTimeoutMs
    this.#retries = options.retries ?? (options.lowPriority ? Number.POSITIVE_INFINITY : 3)
    this.#sleep = options.sleep ?? ((ms, signal) => sleep(ms, undefined, signal ? { signal } : {}))
  }

  /** Throws ServerError for a refusal, ToolError for a file that cannot be read or a server that is not there. */
  async transcribe(request: TranscriptionRequest): Promise<TranscriptionAnswer> {
    const size = await sizeOf(request.path)
    const given = { model: request.model ?? '', ...request.fields }
    const fields = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ''))
    for (let attempt = 0; ; attempt++) {
      const answer = await this.#send(request, fields, size)
      if (answer.status === 200) {
        return {
          body: answer.body,
          instance: headerOf(answer, 'x-asr-instance'),
          requestId: headerOf(answer, 'x-request-id'),
        }
      }
      const error = toServerError(answer)
      if (attempt >= this.#retries || !isBusy(error)) throw error
      await this.#sleep(waitMs(error, attempt), request.signal)
    }
  }

  async #send(
    { path, model, signal }: TranscriptionRequest,
    fields: Readonly<Record<string, string>>,
    size: number,
  ): Promise<PostAnswer> {
    const deadline = startDeadline(this.#timeoutMs, signal)
    const body = multipart(fields, {
      field: 'file',
      fileName: basename(path),
      size,
      // A file that grows meanwhile must not make the body longer than was declared.
      read: () => createReadStream(path, { end: Math.max(0, size - 1) }),
    })
    try {
      return await post(`${this.baseUrl}/v1/audio/transcriptions`, body, {
        // A balancer looks at no body: by the header it knows which instances have the model.
        headers: { ...this.#headers, ...(isHeaderText(model) ? { 'x-asr-model': model } : {}) },
        signal: deadline.signal,
      })
    } catch (error) {
      if (signal?.aborted) throw error
      if (deadline.isOver()) throw timedOut(this.#timeoutMs, this.baseUrl)
      throw unreachable(error, this.baseUrl)
    } finally {
      deadline.clear()
    }
  }
}

function isHeaderText(text: string | undefined): text is string {
  return text !== undefined && /^[\x21-\x7e]+$/.test(text)
}

async function sizeOf(path: string): Promise<number> {
  let info
  try {
    info = await stat(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') throw new ToolError('no_such_file', 'there is no such file', { cause: error })
    throw new ToolError('unreadable_file', `the file cannot be read: ${code}`, { cause: error })
  }
  if (!info.isFile()) throw new ToolError('unreadable_file', 'this is not a file')
  return info.size
}

/** The server took no work: sending it again later is what it asks for. */
function isBusy({ status, code }: ServerError): boolean {
  return status === 429 || (status === 503 && code !== 'http_503')
}

/** What the server asked for; where it named nothing 1, 2, 4 … s. */
function waitMs({ retryAfterSeconds }: ServerError, attempt: number): number {
  return Math.min(longestWaitMs, (retryAfterSeconds ?? 2 ** attempt) * 1000)
}

function timedOut(timeoutMs: number, baseUrl: string): ToolError {
  return new ToolError('timeout', `no answer from ${baseUrl} within ${timeoutMs / 1000} s`, {
    help: 'See `asr-cluster status` for what it is busy with.',
  })
}

const connectionFaults = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN'])

function unreachable(error: unknown, baseUrl: string): unknown {
  const code = errorCode(error)
  if (code !== undefined && connectionFaults.has(code)) {
    return new ToolError('unreachable', `nothing answers at ${baseUrl}: ${code}`, {
      help: 'Start a cluster with `asr-cluster up`, name another with --url, or use --local.',
      cause: error,
    })
  }
  const fileFaults = new Set(['EACCES', 'EISDIR', 'EIO', 'ENOENT'])
  if (code !== undefined && fileFaults.has(code)) {
    return new ToolError('unreadable_file', `the file cannot be read: ${code}`, { cause: error })
  }
  return new ToolError('connection_lost', `the connection to ${baseUrl} broke: ${code ?? String(error)}`, {
    help: 'Look for the cause in `asr-cluster logs balancer`.',
    cause: error,
  })
}

/** Of an attempt on several addresses the first one's. */
function errorCode(error: unknown): string | undefined {
  if (error instanceof AggregateError) return errorCode(error.errors[0])
  return (error as NodeJS.ErrnoException).code
}
