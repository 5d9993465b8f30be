import { bucketQuantile, growthOf, sumOf, type Metrics, type Sample } from '@asr-cluster/protocol/metrics'
import type { Snapshot } from './snapshot.js'

/** Rates are of the time between two snapshots; null where there is nothing to say. */
export interface MonitorView {
  version: string | null
  uptimeSeconds: number | null
  policy: string | null
  /** Seconds between the two snapshots. */
  windowSeconds: number
  requestsPerSecond: number
  /** Answers 5xx and 429: what the cluster did not manage. */
  failuresPerSecond: number
  p50Seconds: number | null
  p95Seconds: number | null
  inFlight: number | null
  queueDepth: number | null
  audioSecondsPerSecond: number
  /** Seconds of work for a second of sound. */
  realTimeFactor: number | null
  /** Share of all cores. */
  cpuShare: number | null
  instances: InstanceView[]
  gpus: GpuView[]
  trouble: string | null
}

export interface InstanceView {
  id: string
  state: string
  /** Why it gets no requests. */
  note: string | null
  inFlight: number
  slots: number | null
  requestsPerSecond: number
  p50Seconds: number | null
  p95Seconds: number | null
  realTimeFactor: number | null
  memoryBytes: number | null
  restarts: number | null
}

export interface GpuView {
  gpu: string
  utilization: number | null
  usedBytes: number | null
  totalBytes: number | null
  temperatureCelsius: number | null
}

/** Where work is done; probes and scrapes are on other routes. */
const workRoutes = new Set(['/asr', '/v1/audio/transcriptions'])

export function buildView(before: Snapshot, now: Snapshot): MonitorView {
  const windowSeconds = Math.max(0.001, (now.atMs - before.atMs) / 1000)
  const grown = (name: string): Sample[] => growthOf(before.metrics, now.metrics, name)
  const isWork = ({ labels }: Sample): boolean => workRoutes.has(labels['route'] ?? '')
  const requests = grown('asr_requests_total').filter(isWork)
  const buckets = grown('asr_request_duration_seconds_bucket').filter(isWork)
  const audio = total(grown('asr_audio_seconds_total'))
  const { cluster, balancer, metrics } = now
  return {
    version: cluster?.supervisor.version ?? null,
    uptimeSeconds: cluster?.supervisor.uptimeSeconds ?? null,
    policy: balancer?.policy ?? cluster?.balancer.policy ?? null,
    windowSeconds,
    requestsPerSecond: total(requests) / windowSeconds,
    failuresPerSecond:
      total(requests.filter(({ labels }) => /^5|^429$/.test(labels['code'] ?? ''))) / windowSeconds,
    p50Seconds: bucketQuantile(0.5, buckets),
    p95Seconds: bucketQuantile(0.95, buckets),
    inFlight: balancer?.inFlight ?? cluster?.balancer.inFlight ?? null,
    queueDepth: balancer?.queueDepth ?? cluster?.balancer.queueDepth ?? null,
    audioSecondsPerSecond: audio / windowSeconds,
    realTimeFactor: audio > 0 ? total(grown('asr_inference_seconds_total')) / audio : null,
    cpuShare: valueOf(metrics, 'asr_cpu_utilization_ratio', {}),
    instances: instanceViews(now, grown, windowSeconds),
    gpus: gpuViews(metrics),
    trouble: now.trouble,
  }
}

/** The supervisor's instances with the balancer's newer figures; a balancer that runs alone has only the latter. */
function instanceViews(
  { cluster, balancer, metrics }: Snapshot,
  grown: (name: string) => Sample[],
  windowSeconds: number,
): InstanceView[] {
  const members = new Map((balancer?.members ?? []).map((member) => [member.id, member]))
  const statuses = new Map((cluster?.instances ?? []).map((instance) => [instance.id, instance]))
  const ids = cluster === null ? members.keys() : statuses.keys()
  const series = {
    requests: grown('asr_instance_requests_total'),
    buckets: grown('asr_instance_request_duration_seconds_bucket'),
    audio: grown('asr_audio_seconds_total'),
    inference: grown('asr_inference_seconds_total'),
  }
  return Array.from(ids, (id) => {
    const member = members.get(id)
    const status = statuses.get(id)
    const of = (samples: readonly Sample[]): Sample[] =>
      samples.filter(({ labels }) => labels['instance'] === id)
    const isEjected = member?.state === 'ejected' && (status === undefined || status.state === 'ready')
    const buckets = of(series.buckets)
    const audio = total(of(series.audio))
    return {
      id,
      state: isEjected ? 'ejected' : (status?.state ?? member?.state ?? 'unknown'),
      note: isEjected
        ? (member.reason ?? null)
        : status?.state === 'ready'
          ? null
          : (status?.lastExit?.reason ?? null),
      inFlight: member?.inFlight ?? status?.inFlight ?? 0,
      slots: status?.slots ?? member?.slots ?? null,
      requestsPerSecond: total(of(series.requests)) / windowSeconds,
      p50Seconds: bucketQuantile(0.5, buckets),
      p95Seconds: bucketQuantile(0.95, buckets),
      realTimeFactor: audio > 0 ? total(of(series.inference)) / audio : null,
      memoryBytes: valueOf(metrics, 'asr_instance_memory_bytes', { instance: id }),
      restarts: status?.restarts ?? null,
    }
  })
}

function gpuViews(metrics: Metrics): GpuView[] {
  const names = [
    'asr_gpu_utilization_ratio',
    'asr_gpu_memory_used_bytes',
    'asr_gpu_memory_total_bytes',
    'asr_gpu_temperature_celsius',
  ] as const
  const gpus = new Set(
    names.flatMap((name) => (metrics.get(name) ?? []).map(({ labels }) => labels['gpu'] ?? '?')),
  )
  return [...gpus]
    .sort((a, b) => Number(a) - Number(b))
    .map((gpu) => {
      const [utilization, usedBytes, totalBytes, temperature] = names.map((name) =>
        valueOf(metrics, name, { gpu }),
      )
      return {
        gpu,
        utilization: utilization ?? null,
        usedBytes: usedBytes ?? null,
        totalBytes: totalBytes ?? null,
        temperatureCelsius: temperature ?? null,
      }
    })
}

function valueOf(metrics: Metrics, name: string, labels: Readonly<Record<string, string>>): number | null {
  return metrics.has(name) ? sumOf(metrics, name, labels) : null
}

function total(samples: readonly Sample[]): number {
  return samples.reduce((sum, { value }) => sum + value, 0)
}
