import type { Backend } from '../backend/backend.js'
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
  const scraped = await Promise.all(native.map((backend) => scrape(backend.member.url)))
  return renderMetrics([own.toJson(), parseMetrics(supervisor), ...scraped])
}

async function scrape(url: string): Promise<MetricJson[]> {
  const result = await fetchJson(new URL('/metrics.json', url), scrapeTimeoutMs, 4 * 1024 * 1024)
  return result.kind === 'answer' && result.status === 200 ? parseMetrics(result.json) : []
}
