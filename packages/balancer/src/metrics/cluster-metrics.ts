import type { Backend } from '../backend/backend.js'
import { callerHeadersFor } from '../backend/caller-headers.js'
import type { BalancerMetrics } from './balancer-metrics.js'
import { fetchJson } from '../health/fetch-json.js'
import { parseMetrics, renderMetrics, type MetricJson } from './merge.js'

/** One slow instance must not cost the whole scrape, whose own deadline is usually 10 s. */
const scrapeTimeoutMs = 1_000

/** The exposition text of the balancer, of the supervisor and of each native member that answers in time. */
export async function clusterMetrics(
  own: BalancerMetrics,
  supervisor: readonly unknown[],
  backends: readonly Backend[],
): Promise<string> {
  const native = backends.filter((backend) => backend.member.native && backend.state === 'up')
  const scraped = await Promise.all(native.map(scrape))
  return renderMetrics([own.toJson(), parseMetrics(supervisor), ...scraped])
}

async function scrape(backend: Backend): Promise<MetricJson[]> {
  const { member } = backend
  const url = new URL('/metrics.json', member.url)
  const result = await fetchJson(url, scrapeTimeoutMs, 4 * 1024 * 1024, callerHeadersFor(member))
  if (result.kind !== 'answer' || result.status !== 200) return []
  // Whoever took the port of an instance that is gone must not speak in the name of any other.
  return backend.isStranger(result.mark) ? [] : parseMetrics(result.json)
}
