import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { probeHeader, timerDelayMs } from '@asr-cluster/protocol'
import { shownMark } from '../server/headers.js'

export type FetchResult =
  /** `json` is undefined when the body is not JSON or too long; `mark` is that of the server's identity, if it shows one. */
  | { kind: 'answer'; status: number; json: unknown; mark: string | undefined }
  | { kind: 'refused'; detail: string }
  | { kind: 'timeout' }
  | { kind: 'failed'; detail: string }

/** One GET on a connection of its own, so that what it finds is about the server and not about an old socket. */
export function fetchJson(
  url: URL,
  timeoutMs: number,
  maxBytes: number,
  ownHeaders: Readonly<Record<string, string>> = {},
): Promise<FetchResult> {
  const headers = { accept: 'application/json', [probeHeader]: '1', ...ownHeaders }
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest
  return new Promise((resolve) => {
    const finish = (result: FetchResult): void => {
      clearTimeout(timer)
      resolve(result)
      request.destroy()
    }
    const timer = setTimeout(() => finish({ kind: 'timeout' }), timerDelayMs(timeoutMs))
    const request = send(url, { agent: false, headers }, (response) => {
      readJson(response, maxBytes, (json) =>
        finish({ kind: 'answer', status: response.statusCode ?? 0, json, mark: shownMark(response.headers) }),
      )
      response.on('error', (error) => finish({ kind: 'failed', detail: error.message }))
    })
    request.on('error', (error: NodeJS.ErrnoException) => {
      const detail = error.code ?? error.message
      finish(
        detail === 'ECONNREFUSED' || detail === 'ENOENT'
          ? { kind: 'refused', detail }
          : { kind: 'failed', detail },
      )
    })
    request.end()
  })
}

function readJson(response: IncomingMessage, maxBytes: number, done: (json: unknown) => void): void {
  const chunks: Buffer[] = []
  let bytes = 0
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= maxBytes) chunks.push(chunk)
    else done(undefined)
  })
  response.on('end', () => done(parse(Buffer.concat(chunks).toString('utf8'))))
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
