import { bucketQuantile, growthOf, type Metrics, type Sample } from '@asr-cluster/protocol/metrics'

/** All samples of one scrape. */
export interface Scrape {
  atMs: number
  metrics: Metrics
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
  const grown = (name: string): Sample[] => growthOf(from.metrics, to.metrics, name)
  const isWork = ({ labels }: Sample): boolean => workRoutes.has(labels.route ?? '')
  const answers = grown('asr_requests_total').filter(isWork)
  const buckets = grown('asr_request_duration_seconds_bucket').filter(isWork)
  const audio = sum(grown('asr_audio_seconds_total'))
  const inference = sum(grown('asr_inference_seconds_total'))
  return {
    atMs: to.atMs,
    requestsPerSecond: sum(answers) / seconds,
    errorsPerSecond: sum(answers.filter(({ labels }) => failed.test(labels.code ?? ''))) / seconds,
    latencyP50: bucketQuantile(0.5, buckets),
    latencyP95: bucketQuantile(0.95, buckets),
    realTimeFactor: audio > 0 ? inference / audio : null,
    audioSecondsPerSecond: audio / seconds,
  }
}

function sum(samples: readonly Sample[]): number {
  return samples.reduce((total, { value }) => total + value, 0)
}
