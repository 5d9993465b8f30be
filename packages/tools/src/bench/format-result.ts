import { formatPercent, formatSeconds, formatTable } from '../common/format.js'
import { formatHistogram } from './histogram.js'
import type { LoadPlan } from './plan.js'
import type { BenchResult, LatencySummary } from './summarise.js'

/** The report for people. */
export function formatResult(result: BenchResult): string[] {
  const { latencyMs, instances, client } = result
  const failures = Object.entries(result.failures).sort(([, a], [, b]) => b - a)
  return [
    `load        ${describePlan(result.plan)}, ${result.audio.clips} clip${result.audio.clips === 1 ? '' : 's'}${result.interrupted ? ' (interrupted)' : ''}`,
    `requests    ${result.requests} in ${formatSeconds(result.wallSeconds)}: ${result.succeeded} succeeded (${formatPercent(result.successRate, 2)}), ${result.requests - result.succeeded} failed`,
    ...failures.map(([code, count]) => `            ${count} × ${code}`),
    `throughput  ${result.requestsPerSecond.toFixed(1)} requests/s, ${result.audioSecondsPerSecond.toFixed(1)} audio seconds per second`,
    `latency     ${latencyMs === null ? 'nothing was answered' : describeLatency(latencyMs)}`,
    ...(result.fromCache === 0
      ? []
      : [
          `cache       ${result.fromCache} answers were kept from earlier requests: they say nothing of the engine`,
        ]),
    ...(result.differingTexts.length === 0
      ? []
      : [`texts       not the same each time: ${result.differingTexts.join(', ')}`]),
    `client      ${formatPercent(client.cpuShare, 0)} of a core, event loop ${formatPercent(client.loopBusy, 0)} busy and ${client.loopDelayP99Ms.toFixed(1)} ms late (p99)`,
    ...(client.limit === null ? [] : [`            ${client.limit}`]),
    ...(result.histogram.length === 0 ? [] : ['', ...formatHistogram(result.histogram)]),
    ...(instances.length === 0 ? [] : ['', ...instanceTable(result)]),
  ]
}

export function describePlan(plan: LoadPlan): string {
  if (plan.kind === 'open') {
    return `open loop, ${plan.ratePerSecond} requests/s (${plan.arrivals}) for ${formatSeconds(plan.durationMs / 1000)}`
  }
  const end = [
    ...(plan.requests === null ? [] : [`${plan.requests} requests`]),
    ...(plan.durationMs === null ? [] : [formatSeconds(plan.durationMs / 1000)]),
  ]
  return `closed loop, ${plan.concurrency} at once, ${end.join(' or ')}`
}

function describeLatency({ mean, p50, p90, p99, max }: LatencySummary): string {
  const of = (name: string, ms: number): string => `${name} ${formatSeconds(ms / 1000)}`
  return [of('mean', mean), of('p50', p50), of('p90', p90), of('p99', p99), of('max', max)].join(', ')
}

function instanceTable({ instances }: BenchResult): string[] {
  const cell = (ms: number | undefined): string => (ms === undefined ? '-' : formatSeconds(ms / 1000))
  const rows = instances.map(({ instance, requests, share, latencyMs }) => [
    instance,
    String(requests),
    formatPercent(share),
    cell(latencyMs?.mean),
    cell(latencyMs?.p50),
    cell(latencyMs?.p99),
  ])
  return formatTable(['INSTANCE', 'REQUESTS', 'SHARE', 'MEAN', 'P50', 'P99'], rows, new Set([1, 2, 3, 4, 5]))
}
