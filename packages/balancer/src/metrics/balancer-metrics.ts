import type { Backend } from '../backend/backend.js'
import type { Clock } from '../clock.js'
import type { NoWorkCode } from '../exchange/decline.js'
import type { RefusalReason } from '../limits/key-limiter.js'
import type { RouteLabel } from '../server/routes.js'
import type { MetricJson } from './merge.js'
import { CounterSeries, HistogramSeries } from './series.js'

/** Recordings take from tenths of a second to minutes. */
const durationBuckets = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]
const waitBuckets = [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/**
 * The series of an instance that left stay so long: its last counts have then been scraped, and pods, each with a name of
 * its own, do not fill the memory with theirs.
 */
const keptAfterLeavingMs = 15 * 60_000

/** Why a request was sent again, or an instance removed: closed sets. */
export type RetryReason =
  'refused' | 'unreachable' | 'connect_timeout' | 'broke' | 'garbled' | 'stalled' | 'local' | NoWorkCode
export type EjectionReason =
  'refused' | 'broke' | 'unreachable' | 'probe_timeout' | 'probe_failed' | 'identity' | 'draining'

export interface GaugeSource {
  queueDepth: number
  backends: readonly Backend[]
  /** Unix time in seconds; none without TLS. */
  certificateExpiry?: number | undefined
}

/** The balancer's own series. */
export class BalancerMetrics {
  readonly #gauges: () => GaugeSource
  readonly #clock: Clock
  /** When each instance left. */
  readonly #left = new Map<string, number>()
  readonly #requests = new CounterSeries('asr_requests_total', 'Requests answered on the balancer port.', [
    'route',
    'code',
  ])
  readonly #duration = new HistogramSeries(
    'asr_request_duration_seconds',
    'From the head of a request to the end of its answer.',
    durationBuckets,
    'route',
  )
  readonly #queueWait = new HistogramSeries(
    'asr_queue_wait_seconds',
    'Time a request waited for a slot.',
    waitBuckets,
  )
  readonly #retries = new CounterSeries(
    'asr_retries_total',
    'Requests sent again to an instance, by what ended the attempt before.',
    ['reason'],
  )
  readonly #ejections = new CounterSeries('asr_ejections_total', 'Removals of an instance on evidence.', [
    'instance',
    'reason',
  ])
  readonly #instanceRequests = new CounterSeries(
    'asr_instance_requests_total',
    'Answers that an instance gave.',
    ['instance', 'code'],
  )
  readonly #instanceDuration = new HistogramSeries(
    'asr_instance_request_duration_seconds',
    'From when an instance got a request to the end of its answer.',
    durationBuckets,
    'instance',
  )
  readonly #cacheHits = new CounterSeries(
    'asr_cache_hits_total',
    'Requests answered with the answer to an earlier one, or to one that was on its way.',
    [],
  )
  readonly #cacheMisses = new CounterSeries(
    'asr_cache_misses_total',
    'Requests sent to an instance because their answer was not known.',
    [],
  )
  readonly #keyRefusals = new CounterSeries(
    'asr_key_refusals_total',
    'Requests refused because their API key had reached a limit; `key` is its name.',
    ['key', 'reason'],
  )
  readonly #addressRefusals = new CounterSeries(
    'asr_address_refusals_total',
    'Requests refused because their address had reached a limit.',
    ['reason'],
  )

  constructor(gauges: () => GaugeSource, clock: Clock) {
    this.#gauges = gauges
    this.#clock = clock
  }

  instanceLeft(instance: string): void {
    this.#left.set(instance, this.#clock.nowMs())
    this.#forgetGone(this.#gauges().backends)
  }

  answered(route: RouteLabel, code: number, seconds: number): void {
    this.#requests.increase(route, String(code))
    this.#duration.observe(seconds, route)
  }

  /** `seconds` from when the instance got the request; not for probes and other light work. */
  instanceAnswered(backend: Backend, code: number, seconds?: number): void {
    if (this.#isForgotten(backend)) return
    this.#instanceRequests.increase(backend.id, String(code))
    if (seconds !== undefined) this.#instanceDuration.observe(seconds, backend.id)
  }

  /** A long answer may end after the series of its instance went, and nothing would take them away again. */
  #isForgotten({ id, removed }: Backend): boolean {
    return removed && !this.#left.has(id) && !this.#gauges().backends.some((backend) => backend.id === id)
  }

  waited(seconds: number): void {
    this.#queueWait.observe(seconds)
  }

  retried(reason: RetryReason): void {
    this.#retries.increase(reason)
  }

  ejected(instance: string, reason: EjectionReason): void {
    this.#ejections.increase(instance, reason)
  }

  cacheHit(): void {
    this.#cacheHits.increase()
  }

  cacheMissed(): void {
    this.#cacheMisses.increase()
  }

  /** `name` of the configuration: nothing that a client sends becomes a label. */
  keyRefused(name: string | undefined, reason: RefusalReason): void {
    this.#keyRefusals.increase(name ?? 'unnamed', reason)
  }

  addressRefused(reason: RefusalReason): void {
    this.#addressRefusals.increase(reason)
  }

  toJson(): MetricJson[] {
    const { queueDepth, backends, certificateExpiry } = this.#gauges()
    this.#forgetGone(backends)
    const perInstance = (value: (backend: Backend) => number): MetricJson['values'] =>
      backends.map((backend) => ({ value: value(backend), labels: { instance: backend.id } }))
    return [
      this.#requests.toJson(),
      this.#duration.toJson(),
      this.#queueWait.toJson(),
      this.#retries.toJson(),
      this.#ejections.toJson(),
      this.#instanceRequests.toJson(),
      this.#instanceDuration.toJson(),
      this.#cacheHits.toJson(),
      this.#cacheMisses.toJson(),
      this.#keyRefusals.toJson(),
      this.#addressRefusals.toJson(),
      gauge(
        'asr_certificate_expiry_timestamp_seconds',
        'When the certificate of the balancer ends.',
        certificateExpiry === undefined ? [] : [{ value: certificateExpiry, labels: {} }],
      ),
      gauge('asr_queue_depth', 'Requests that wait for a slot.', [{ value: queueDepth, labels: {} }]),
      gauge(
        'asr_instance_up',
        '1 when the instance may get requests.',
        perInstance((backend) => (backend.isServing() ? 1 : 0)),
      ),
      gauge(
        'asr_instance_in_flight',
        'Requests that the instance works on.',
        perInstance((backend) => backend.inFlight),
      ),
    ]
  }

  #forgetGone(backends: readonly Backend[]): void {
    for (const { id } of backends) this.#left.delete(id)
    for (const [instance, leftAtMs] of this.#left) {
      if (this.#clock.nowMs() - leftAtMs < keptAfterLeavingMs) continue
      this.#left.delete(instance)
      for (const series of [this.#ejections, this.#instanceRequests, this.#instanceDuration])
        series.forget(instance)
    }
  }
}

function gauge(name: string, help: string, values: MetricJson['values']): MetricJson {
  return { name, help, type: 'gauge', values }
}
