/** A fault that may be gone at the next try. */
export class TransferError extends Error {
  override name = 'TransferError'
  /** Bytes arrived since the try began: the hub is there, only the connection is bad. */
  readonly madeProgress: boolean
  readonly retryAfterMs: number | null

  constructor(
    message: string,
    options: { madeProgress?: boolean; retryAfterMs?: number | null; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.madeProgress = options.madeProgress ?? false
    this.retryAfterMs = options.retryAfterMs ?? null
  }
}
