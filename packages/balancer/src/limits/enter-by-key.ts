import { AsrError } from '@asr-cluster/protocol'
import type { Clock } from '../clock.js'
import type { BalancerMetrics } from '../metrics/balancer-metrics.js'
import type { KeyLimiter } from './key-limiter.js'

/**
 * Counts a request of a limited key; the returned function has to be called when it is over, and may be called again.
 * Throws AsrError rate_limited or concurrency_limited.
 */
export function enterByKey(
  limiter: KeyLimiter,
  { clock, metrics }: { clock: Clock; metrics: BalancerMetrics },
): () => void {
  const entry = limiter.enter(clock.nowMs())
  if (entry.kind === 'entered') return entry.leave
  metrics.keyRefused(limiter.name, entry.reason)
  const retryAfterSeconds = Math.ceil(entry.waitMs / 1_000)
  if (entry.reason === 'rate') {
    const message = `This API key may send ${entry.limit} requests a minute.`
    throw new AsrError('rate_limited', message, { retryAfterSeconds })
  }
  const message = `This API key may have ${entry.limit} requests at once.`
  throw new AsrError('concurrency_limited', message, { retryAfterSeconds })
}
