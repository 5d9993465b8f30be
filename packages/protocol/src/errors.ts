/**
 * The one error catalogue. A code is stable: clients and alerts may rely on it. `help` says what to do about it.
 * The order is by HTTP status.
 */
export const errorCatalogue = {
  invalid_request: { status: 400, help: 'See docs/api.md for the fields of this route.' },
  missing_file: {
    status: 400,
    help: 'Send multipart/form-data with the recording in the field `audio` (/asr) or `file` (/v1).',
  },
  unknown_field: { status: 400, help: 'See docs/api.md for the fields of this route.' },
  empty_file: { status: 400, help: 'The uploaded file has no bytes. Check the path given to the client.' },
  not_audio: { status: 400, help: 'Send WAV, FLAC, MP3, OGG, M4A, WebM or a video with a sound track.' },
  audio_truncated: {
    status: 400,
    help: 'The file ends before its header says it does. Write it again, or send the whole file.',
  },
  audio_invalid: { status: 400, help: 'The container was recognised but its content cannot be decoded.' },
  invalid_language: {
    status: 400,
    help: 'Use `auto`, a language name such as `English`, or a code such as `en`.',
  },
  unsupported_value: { status: 400, help: 'See docs/api.md for the values this server can serve.' },
  unauthorized: {
    status: 401,
    help: 'Send `Authorization: Bearer KEY` with an API key; to /api/admin an admin key in `x-asr-admin-key`.',
  },
  admin_disabled: {
    status: 403,
    help: 'Set auth.adminKeys in the configuration, then `asr-cluster reload`.',
  },
  not_found: { status: 404, help: 'See docs/api.md for the routes.' },
  model_not_found: { status: 404, help: 'GET /v1/models lists the models served.' },
  method_not_allowed: { status: 405, help: 'The `Allow` header names the methods of this route.' },
  request_timeout: {
    status: 408,
    help: 'The request arrived too slowly. Check the network, or raise balancer.timeouts.body.',
  },
  file_too_large: { status: 413, help: 'Cut or compress the recording, or raise balancer.maxBodySize.' },
  audio_too_long: { status: 413, help: 'Cut the recording into parts.' },
  unsupported_media: {
    status: 415,
    help: 'Install ffmpeg on the server (Debian: apt-get install ffmpeg), or send WAV.',
  },
  headers_too_large: { status: 431, help: 'Send fewer or shorter headers.' },
  queue_full: {
    status: 429,
    help: 'Wait for the seconds in `Retry-After` and send again, or add instances.',
  },
  rate_limited: {
    status: 429,
    help: 'Wait for the seconds in `Retry-After`, or ask for a higher rate for this API key or address.',
  },
  concurrency_limited: {
    status: 429,
    help: 'Send the next request when one of this API key or address is answered.',
  },
  slots_full: { status: 429, help: 'Send to the balancer, which queues, or wait for `Retry-After` seconds.' },
  client_closed: { status: 499, help: 'The client went away before the answer was ready.' },
  internal: { status: 500, help: 'Look for the request id in the logs.' },
  not_implemented: { status: 501, help: 'This server does not offer this route.' },
  upstream_failed: {
    status: 502,
    help: 'The instance died or broke off. Look for the request id in the logs.',
  },
  poison_request: {
    status: 502,
    help: 'Two instances died on this body, so it is not tried again. Report it with the file.',
  },
  no_instance_ready: {
    status: 503,
    help: 'Instances are starting or down: `asr-cluster status`. Retry after `Retry-After`.',
  },
  queue_timeout: {
    status: 503,
    help: 'No slot became free in time. Retry after `Retry-After`, or add instances.',
  },
  yielded: {
    status: 503,
    help: 'A request of low priority gives way to all others. Retry after `Retry-After`.',
  },
  draining: { status: 503, help: 'This process is shutting down. Retry.' },
  upstream_timeout: {
    status: 504,
    help: 'The instance did not answer in time. Cut the file or raise balancer.timeouts.response.',
  },
} as const satisfies Record<string, { status: number; help: string }>

export type ErrorCode = keyof typeof errorCatalogue

/** An error with a code of the catalogue. `message` is a sentence for the client; it must hold no secret. */
export class AsrError extends Error {
  override name = 'AsrError'
  readonly code: ErrorCode
  readonly status: number
  /** The request field to blame, if one is. */
  readonly param: string | null
  /** For 429 and 503: whole seconds for the `Retry-After` header. */
  readonly retryAfterSeconds: number | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; param?: string; retryAfterSeconds?: number } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.status = errorCatalogue[code].status
    this.param = options.param ?? null
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

/** What nobody is there to read. */
export function clientClosed(): AsrError {
  return new AsrError('client_closed', 'The client closed the connection.')
}

/** Maps anything thrown to an AsrError; an unknown error keeps its detail in `cause`, away from the client. */
export function toAsrError(error: unknown): AsrError {
  if (error instanceof AsrError) return error
  return new AsrError('internal', 'Something went wrong inside the server.', { cause: error })
}

/** OpenAI's envelope under `/v1`, the flat one everywhere else. */
export function errorBody(error: AsrError, path: string): object {
  const help = errorCatalogue[error.code].help
  if (path.startsWith('/v1/')) {
    const type = error.status < 500 ? 'invalid_request_error' : 'server_error'
    return { error: { message: `${error.message} ${help}`, type, param: error.param, code: error.code } }
  }
  return { error: error.message, code: error.code, help, status: 'error' }
}

/** Response headers that go with the error. */
export function errorHeaders(error: AsrError): Record<string, string> {
  return {
    ...(error.retryAfterSeconds === undefined ? {} : { 'retry-after': String(error.retryAfterSeconds) }),
    ...(error.status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
  }
}

/** What an error looks like once it was rendered for a client: status, headers and body bytes as JSON. */
export function renderError(
  error: AsrError,
  path: string,
): { status: number; headers: Record<string, string>; body: string } {
  return {
    status: error.status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...errorHeaders(error) },
    body: JSON.stringify(errorBody(error, path)),
  }
}
