import { AsrError } from '@asr-cluster/protocol'
import type { Clock } from '../clock.js'
import type { BalancerMetrics } from '../metrics/balancer-metrics.js'
import type { AddressLimits } from './address-limits.js'
import type { Entry, KeyLimiter } from './key-limiter.js'

/**
 * Counts a request of a key, or of an address where those are limited; the returned function has to be called when it is
 * over, and may be called again. Undefined where nothing is counted. Throws AsrError rate_limited or concurrency_limited.
 */
export function enterLimits(
  address: string,
  key: KeyLimiter | undefined,
  {
    addresses,
    clock,
    metrics,
  }: { addresses: AddressLimits | undefined; clock: Clock; metrics: BalancerMetrics },
): (() => void) | undefined {
  if (!addresses && !key) return undefined
  const byAddress = addresses?.enter(address, clock.nowMs())
  if (byAddress?.kind === 'refused') {
    metrics.addressRefused(byAddress.reason)
    throw refusal(byAddress, 'This address')
  }
  const byKey = key?.enter(clock.nowMs())
  if (byKey?.kind === 'refused') {
    byAddress?.leave()
    metrics.keyRefused(key?.name, byKey.reason)
    throw refusal(byKey, 'This API key')
  }
  return () => {
    byAddress?.leave()
    byKey?.leave()
  }
}

function refusal(
  { reason, limit, waitMs }: Extract<Entry, { kind: 'refused' }>,
  who: 'This address' | 'This API key',
): AsrError {
  const retryAfterSeconds = Math.ceil(waitMs / 1_000)
  return reason === 'rate'
    ? new AsrError('rate_limited', `${who} may send ${limit} requests a minute.`, { retryAfterSeconds })
    : new AsrError('concurrency_limited', `${who} may have ${limit} requests at once.`, { retryAfterSeconds })
}
