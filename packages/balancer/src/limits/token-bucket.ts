export interface TokenBucket {
  /** At `atMs`; may be part of one. */
  readonly tokens: number
  readonly atMs: number
}

export interface BucketVerdict {
  bucket: TokenBucket
  /** Until there is a token; 0 when one was taken. */
  waitMs: number
}

const minuteMs = 60_000

/**
 * Takes a token out of a bucket that holds at most `perMinute` and gets as many in a minute, evenly (the token bucket of
 * RFC 2697 with one rate). Whoever was silent for a minute may so send a minute's worth at once. Pure.
 */
export function takeToken(before: TokenBucket, perMinute: number, nowMs: number): BucketVerdict {
  const gained = (Math.max(0, nowMs - before.atMs) * perMinute) / minuteMs
  const tokens = Math.min(perMinute, before.tokens + gained)
  if (tokens >= 1) return { bucket: { tokens: tokens - 1, atMs: nowMs }, waitMs: 0 }
  return { bucket: { tokens, atMs: nowMs }, waitMs: ((1 - tokens) * minuteMs) / perMinute }
}
