import { statusSchema } from './endpoint-slice.js'

/** The API server refused; its message is meant for people. */
export class ApiError extends Error {
  override name = 'ApiError'
  readonly code: number
  /** Not before so many milliseconds, when it says so. */
  readonly retryAfterMs: number

  constructor(status: { code?: number | undefined; message?: string | undefined }, retryAfterMs = 0) {
    super(`API server: ${status.code ?? 'error'} ${status.message ?? ''}`.trim())
    this.code = status.code ?? 500
    this.retryAfterMs = retryAfterMs
  }

  /** The resource version is older than what the server remembers: only a new list helps. */
  get isGone(): boolean {
    return this.code === 410
  }
}

/** Of an answer that is not 200: a `Status` in JSON, or any text of something in between. */
export function apiErrorOf(code: number, retryAfter: string | string[] | undefined, text: string): ApiError {
  const retryAfterMs = typeof retryAfter === 'string' ? (Number(retryAfter) || 0) * 1_000 : 0
  try {
    const status = statusSchema.parse(JSON.parse(text))
    return new ApiError({ ...status, code }, retryAfterMs)
  } catch {
    return new ApiError({ code, message: text.slice(0, 200) }, retryAfterMs)
  }
}
