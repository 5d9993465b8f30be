import { clientLimit, type ClientLoad } from './client-meter.js'
import { histogramOf, type Bucket } from './histogram.js'
import type { LoadPlan } from './plan.js'
import type { Sample } from './sender.js'

export interface LatencySummary {
  mean: number
  p50: number
  p90: number
  p99: number
  max: number
}

export interface InstanceShare {
  instance: string
  requests: number
  /** Of all answers that name an instance. */
  share: number
  latencyMs: LatencySummary | null
}

/** What `--json` writes and `--compare` reads. */
export interface BenchResult {
  version: 1
  at: string
  url: string
  audio: { path: string; clips: number }
  plan: LoadPlan
  interrupted: boolean
  wallSeconds: number
  requests: number
  succeeded: number
  successRate: number
  /** Answers that were known from earlier requests: they say nothing of the engine. */
  fromCache: number
  /** Number of failed requests by code. */
  failures: Record<string, number>
  requestsPerSecond: number
  audioSeconds: number
  audioSecondsPerSecond: number
  /** Of the answered requests, from when each was due; null without any. */
  latencyMs: LatencySummary | null
  /** Of the same. */
  histogram: Bucket[]
  instances: InstanceShare[]
  /** Clips that were not answered with the same text each time. */
  differingTexts: string[]
  client: ClientLoad & { sendLagP99Ms: number; limit: string | null }
}

export interface Run {
  at: Date
  url: string
  audioPath: string
  clips: number
  plan: LoadPlan
  interrupted: boolean
  wallMs: number
  samples: readonly Sample[]
  client: ClientLoad
}

/** Exact nearest-rank quantile of sorted values; NaN without any. */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN
}

export function summariseLatencies(values: readonly number[]): LatencySummary | null {
  if (values.length === 0) return null
  const sorted = Float64Array.from(values).sort()
  return {
    mean: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
    p50: quantile(sorted, 0.5),
    p90: quantile(sorted, 0.9),
    p99: quantile(sorted, 0.99),
    max: quantile(sorted, 1),
  }
}

export function summariseRun(run: Run): BenchResult {
  // What the interruption cut off says nothing about the server.
  const samples = run.samples.filter(({ failure }) => failure !== 'interrupted')
  const good = samples.filter(({ failure }) => failure === null)
  const seconds = run.wallMs / 1000
  const audioSeconds = good.reduce((sum, sample) => sum + (sample.audioSeconds ?? 0), 0)
  const lags = Float64Array.from(samples, ({ dueMs, sentMs }) => sentMs - dueMs).sort()
  const sendLagP99Ms = lags.length === 0 ? 0 : quantile(lags, 0.99)
  // With a limit on what is in flight requests wait on purpose.
  const isLimited = run.plan.kind === 'open' && lags.length > 0 && run.plan.maxInFlight < samples.length
  return {
    version: 1,
    at: run.at.toISOString(),
    url: run.url,
    audio: { path: run.audioPath, clips: run.clips },
    plan: run.plan,
    interrupted: run.interrupted,
    wallSeconds: seconds,
    requests: samples.length,
    succeeded: good.length,
    successRate: samples.length === 0 ? 0 : good.length / samples.length,
    fromCache: good.filter(({ fromCache }) => fromCache).length,
    failures: countBy(samples.flatMap(({ failure }) => failure ?? [])),
    requestsPerSecond: good.length / seconds,
    audioSeconds,
    audioSecondsPerSecond: audioSeconds / seconds,
    latencyMs: summariseLatencies(good.map(latencyOf)),
    histogram: histogramOf(good.map(latencyOf)),
    instances: shares(good),
    differingTexts: differingTexts(good),
    client: { ...run.client, sendLagP99Ms, limit: clientLimit(run.client, isLimited ? 0 : sendLagP99Ms) },
  }
}

export function latencyOf({ dueMs, endedMs }: Sample): number {
  return endedMs - dueMs
}

function shares(samples: readonly Sample[]): InstanceShare[] {
  const byInstance = new Map<string, number[]>()
  for (const sample of samples) {
    if (sample.instance === null) continue
    const latencies = byInstance.get(sample.instance)
    if (latencies) latencies.push(latencyOf(sample))
    else byInstance.set(sample.instance, [latencyOf(sample)])
  }
  const total = [...byInstance.values()].reduce((sum, { length }) => sum + length, 0)
  return [...byInstance]
    .map(([instance, latencies]) => ({
      instance,
      requests: latencies.length,
      share: latencies.length / total,
      latencyMs: summariseLatencies(latencies),
    }))
    .sort((a, b) => a.instance.localeCompare(b.instance, 'en', { numeric: true }))
}

function differingTexts(samples: readonly Sample[]): string[] {
  const first = new Map<string, string | null>()
  const differing = new Set<string>()
  for (const { clip, textDigest } of samples) {
    const known = first.get(clip)
    if (known === undefined) first.set(clip, textDigest)
    else if (known !== textDigest) differing.add(clip)
  }
  return [...differing].sort()
}

function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}
