import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import type { Multipart } from './multipart.js'
import { pinnedTls } from './pinned-certificate.js'

/** From this size on the server is asked before the body is sent, so that a refusal costs no upload. */
const askFirstBytes = 1_000_000
/** A server that does not know `100-continue` never answers it. */
const continueTimeoutMs = 1_000

export interface PostOptions {
  headers?: Readonly<Record<string, string>>
  signal?: AbortSignal | undefined
}

export interface PostAnswer {
  status: number
  headers: IncomingMessage['headers']
  body: string
}

/**
 * Posts a body and returns the answer, also one that comes before the body was sent.
 * Rejects with the error of the connection, with that of the file, or with the signal's reason.
 */
export async function post(url: string, body: Multipart, options: PostOptions = {}): Promise<PostAnswer> {
  const { signal } = options
  signal?.throwIfAborted()
  const asksFirst = Number(body.headers['content-length']) >= askFirstBytes
  const start = url.startsWith('https:') ? httpsRequest : httpRequest
  const request = start(url, {
    method: 'POST',
    headers: { ...options.headers, ...body.headers, ...(asksFirst ? { expect: '100-continue' } : {}) },
    // A kept connection may be closed by the server in the moment in which it is used again.
    agent: false,
    ...pinnedTls(url),
  })
  const abort = (): void => void request.destroy(abortReason(signal))
  signal?.addEventListener('abort', abort, { once: true })
  try {
    let response: IncomingMessage | undefined
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', (incoming) => {
        response = incoming
        resolve(incoming)
      })
      request.on('error', reject)
    })
    answered.catch(() => {})
    if (asksFirst) {
      request.flushHeaders()
      await Promise.race([answered, continued(request)])
    }
    const sent = response === undefined ? send(request, body) : Promise.resolve()
    sent.catch(() => {})
    // A file that cannot be read breaks the connection too, and says more: it comes first.
    response = await Promise.race([sent.then(() => answered), answered])
    return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) }
  } finally {
    signal?.removeEventListener('abort', abort)
    request.destroy()
  }
}

function continued(request: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, continueTimeoutMs)
    const go = (): void => {
      clearTimeout(timer)
      resolve()
    }
    request.once('continue', go)
    request.once('close', go)
  })
}

/** Rejects only for the fault of the source; that the server stops reading shows in its answer. */
async function send(request: ClientRequest, body: Multipart): Promise<void> {
  let sourceError: unknown
  async function* source(): AsyncGenerator<Uint8Array> {
    try {
      yield* body.read()
    } catch (error) {
      sourceError = error
      throw error
    }
  }
  await pipeline(source, request).catch(() => {})
  if (sourceError !== undefined) throw sourceError
}

function abortReason(signal: AbortSignal | undefined): Error {
  return signal?.reason instanceof Error ? signal.reason : new Error('aborted')
}
