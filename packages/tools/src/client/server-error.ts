import { errorCatalogue, type ErrorCode } from '@asr-cluster/protocol'
import { z } from 'zod'
import { ToolError } from '../common/tool-error.js'
import type { PostAnswer } from './post.js'

/** The server answered, but not with what was asked for. */
export class ServerError extends ToolError {
  override name = 'ServerError'
  readonly status: number
  readonly requestId: string | null
  readonly instance: string | null
  /** From `Retry-After`; null where the server named none. */
  readonly retryAfterSeconds: number | null

  constructor(answer: PostAnswer, about: { code: string; message: string; help: string }) {
    super(about.code, about.message, { help: about.help })
    this.status = answer.status
    this.requestId = headerOf(answer, 'x-request-id')
    this.instance = headerOf(answer, 'x-asr-instance')
    const retryAfter = Number(answer.headers['retry-after'] ?? Number.NaN)
    this.retryAfterSeconds = Number.isFinite(retryAfter) && retryAfter >= 0 ? retryAfter : null
  }
}

const openAiEnvelope = z.object({ error: z.object({ message: z.string(), code: z.string().nullish() }) })
const flatEnvelope = z.object({ error: z.string(), code: z.string().nullish(), help: z.string().nullish() })

/** What a refusal says, in the envelope of ours, of OpenAI's, or of a proxy in between that knows neither. */
export function toServerError(answer: PostAnswer): ServerError {
  const json = parseJson(answer.body)
  const nested = openAiEnvelope.safeParse(json)
  const flat = flatEnvelope.safeParse(json)
  if (nested.success) {
    const code = nested.data.error.code ?? `http_${answer.status}`
    const help = helpOf(code)
    const advice = catalogueHelp(code)
    // Under /v1 the advice is a part of the message, because that envelope has no place for it.
    const message =
      advice === '' ? nested.data.error.message : nested.data.error.message.replace(` ${advice}`, '')
    return new ServerError(answer, { code, message, help })
  }
  if (flat.success) {
    const code = flat.data.code ?? `http_${answer.status}`
    return new ServerError(answer, {
      code,
      message: flat.data.error,
      help: helpOf(code) || (flat.data.help ?? ''),
    })
  }
  const start = answer.body.replace(/\s+/g, ' ').trim().slice(0, 200)
  return new ServerError(answer, {
    code: `http_${answer.status}`,
    message: `the server answered ${answer.status}${start === '' ? '' : `: ${start}`}`,
    help: 'Check that --url names an asr-cluster, or another server with the OpenAI transcription API.',
  })
}

export function headerOf({ headers }: Pick<PostAnswer, 'headers'>, name: string): string | null {
  const value = headers[name]
  return typeof value === 'string' ? value : null
}

function helpOf(code: string): string {
  if (code === 'unauthorized') return 'Set ASR_CLUSTER_API_KEY to one of the keys of the server.'
  return catalogueHelp(code)
}

function catalogueHelp(code: string): string {
  return Object.hasOwn(errorCatalogue, code) ? errorCatalogue[code as ErrorCode].help : ''
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
