import type { Sample } from './exposition.js'
import { histogramQuantile, type Bucket } from './quantile.js'

/** All samples of one scrape. */
export interface Scrape {
  atMs: number
  samples: readonly Sample[]
}

/** What the charts show of the time between two scrapes; null where there is nothing to say. */
export interface Rates {
  atMs: number
  requestsPerSecond: number
  /** Answers 5xx and 429: what the cluster did not manage. */
  errorsPerSecond: number
  /** Seconds. */
  latencyP50: number | null
  latencyP95: number | null
  /** Seconds of work for a second of sound. */
  realTimeFactor: number | null
  audioSecondsPerSecond: number
}

/** The routes where work is done; probes, scrapes and this page's own polling are on others. */
const workRoutes = new Set(['/asr', '/v1/audio/transcriptions'])
const failed = /^5|^429$/

export function ratesBetween(from: Scrape, to: Scrape): Rates {
  const seconds = Math.max((to.atMs - from.atMs) / 1_000, 0.001)
  const grown = growth(from.samples, to.samples)
  const sum = (matches: (sample: Sample) => boolean): number =>
    grown.filter(matches).reduce((total, sample) => total + sample.value, 0)
  const isWork = ({ labels }: Sample): boolean => workRoutes.has(labels.route ?? '')
  const requests = (code: RegExp): number =>
    sum(
      (sample) =>
        sample.name === 'asr_requests_total' && isWork(sample) && code.test(sample.labels.code ?? ''),
    )
  const buckets = bucketsOf(
    grown.filter((sample) => sample.name === 'asr_request_duration_seconds_bucket' && isWork(sample)),
  )
  const audio = sum(({ name }) => name === 'asr_audio_seconds_total')
  const inference = sum(({ name }) => name === 'asr_inference_seconds_total')
  return {
    atMs: to.atMs,
    requestsPerSecond: requests(/./) / seconds,
    errorsPerSecond: requests(failed) / seconds,
    latencyP50: histogramQuantile(0.5, buckets),
    latencyP95: histogramQuantile(0.95, buckets),
    realTimeFactor: audio > 0 ? inference / audio : null,
    audioSecondsPerSecond: audio / seconds,
  }
}

/** How much each counter grew. One that went down was reset with its process and counts from nought. */
function growth(from: readonly Sample[], to: readonly Sample[]): Sample[] {
  const before = new Map(from.map((sample) => [seriesOf(sample), sample.value]))
  return to.map((sample) => {
    const last = before.get(seriesOf(sample)) ?? 0
    return { ...sample, value: sample.value >= last ? sample.value - last : sample.value }
  })
}

function seriesOf({ name, labels }: Sample): string {
  return `${name} ${Object.entries(labels).flat().join(' ')}`
}

function bucketsOf(samples: readonly Sample[]): Bucket[] {
  const counts = new Map<number, number>()
  for (const { labels, value } of samples) {
    const le = labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.le)
    counts.set(le, (counts.get(le) ?? 0) + value)
  }
  return [...counts].map(([le, count]) => ({ le, count })).toSorted((a, b) => a.le - b.le)
}
