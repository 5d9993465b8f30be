import { createHash } from 'node:crypto'
import { Agent, type Dispatcher } from 'undici'
import { z } from 'zod'
import { pinnedTls } from '../client/pinned-certificate.js'
import { toServerError } from '../client/server-error.js'
import type { Clip } from './clips.js'

/** One request and what came of it; times in milliseconds of the same clock. */
export interface Sample {
  clip: string
  /** When it should have been sent: in a closed loop when it was. */
  dueMs: number
  sentMs: number
  endedMs: number
  /** Null for success, else an error code, an HTTP status or a fault of the connection. */
  failure: string | null
  instance: string | null
  /** The answer was known from an earlier request. */
  fromCache: boolean
  audioSeconds: number | null
  /** Digest of the text, to see whether it is always the same. */
  textDigest: string | null
}

export interface SenderOptions {
  baseUrl: string
  apiKey: string | undefined
  model: string | undefined
  timeoutMs: number
  nowMs: () => number
}

/** Sends one clip; never rejects. */
export interface Sender {
  send(clip: Clip, dueMs: number, signal: AbortSignal): Promise<Sample>
  close(): Promise<void>
}

const answerSchema = z.object({ text: z.string(), duration: z.number().nullish() })

export function createSender({ baseUrl, apiKey, model, timeoutMs, nowMs }: SenderOptions): Sender {
  const agent = new Agent({
    pipelining: 1,
    connect: { timeout: 10_000, ...pinnedTls(baseUrl) },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
  })
  const { origin, pathname } = new URL(`${baseUrl}/v1/audio/transcriptions`)
  const own = {
    ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
    ...(model === undefined ? {} : { 'x-asr-model': model }),
  }
  let count = 0
  return {
    async send(clip, dueMs, signal) {
      const sentMs = nowMs()
      const base = { clip: clip.name, dueMs, sentMs }
      try {
        const response = await agent.request({
          origin,
          path: pathname,
          method: 'POST',
          body: clip.body(count++),
          headers: { ...own, 'content-type': clip.contentType },
          signal,
        })
        const body = await response.body.text()
        return { ...base, endedMs: nowMs(), ...judge(response, body, clip) }
      } catch (error) {
        const failure = signal.aborted ? 'interrupted' : faultOf(error)
        return { ...base, endedMs: nowMs(), ...nothing, failure }
      }
    },
    close: () => agent.destroy(),
  }
}

type Judged = Omit<Sample, 'clip' | 'dueMs' | 'sentMs' | 'endedMs'>

const nothing = { instance: null, fromCache: false, audioSeconds: null, textDigest: null } as const

function judge({ statusCode, headers }: Dispatcher.ResponseData, body: string, clip: Clip): Judged {
  const name = headers['x-asr-instance']
  const instance = typeof name === 'string' ? name : null
  if (statusCode !== 200) {
    const { code } = toServerError({ status: statusCode, headers, body })
    return { ...nothing, failure: code, instance }
  }
  try {
    const { text, duration } = answerSchema.parse(JSON.parse(body))
    return {
      failure: null,
      instance,
      fromCache: headers['x-asr-cache'] === 'hit',
      audioSeconds: duration ?? clip.seconds,
      textDigest: digest(text),
    }
  } catch {
    return { ...nothing, failure: 'bad_answer', instance }
  }
}

function digest(text: string): string {
  return createHash('sha1').update(text).digest('base64')
}

function faultOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.name : 'unknown')
  return code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT' ? 'timeout' : code
}
