import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Backend } from '../backend/backend.js'
import type { RouteLabel } from '../server/routes.js'

/** Recordings take from tenths of a second to minutes. */
const durationBuckets = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]
const waitBuckets = [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/** Why a request was sent again, or an instance removed: closed sets. */
export type RetryReason =
  | 'refused'
  | 'unreachable'
  | 'connect_timeout'
  | 'broke'
  | 'garbled'
  | 'stalled'
  | 'local'
  | 'slots_full'
  | 'draining'
export type EjectionReason = 'refused' | 'broke' | 'probe_timeout' | 'probe_failed' | 'identity' | 'draining'

export interface GaugeSource {
  queueDepth: number
  backends: readonly Backend[]
}

/** The balancer's own series. */
export class BalancerMetrics {
  readonly registry = new Registry()
  readonly #requests: Counter<'route' | 'code'>
  readonly #duration: Histogram<'route'>
  readonly #queueWait: Histogram
  readonly #retries: Counter<'reason'>
  readonly #ejections: Counter<'instance' | 'reason'>
  readonly #instanceRequests: Counter<'instance' | 'code'>
  readonly #cacheHits: Counter
  readonly #cacheMisses: Counter

  constructor(source: () => GaugeSource) {
    const registers = [this.registry]
    this.#requests = new Counter({
      name: 'asr_requests_total',
      help: 'Requests answered on the balancer port.',
      labelNames: ['route', 'code'],
      registers,
    })
    this.#duration = new Histogram({
      name: 'asr_request_duration_seconds',
      help: 'From the head of a request to the end of its answer.',
      labelNames: ['route'],
      buckets: durationBuckets,
      registers,
    })
    this.#queueWait = new Histogram({
      name: 'asr_queue_wait_seconds',
      help: 'Time a request waited for a slot.',
      buckets: waitBuckets,
      registers,
    })
    this.#retries = new Counter({
      name: 'asr_retries_total',
      help: 'Requests sent again to an instance, by what ended the attempt before.',
      labelNames: ['reason'],
      registers,
    })
    this.#ejections = new Counter({
      name: 'asr_ejections_total',
      help: 'Removals of an instance on evidence.',
      labelNames: ['instance', 'reason'],
      registers,
    })
    this.#instanceRequests = new Counter({
      name: 'asr_instance_requests_total',
      help: 'Answers that an instance gave.',
      labelNames: ['instance', 'code'],
      registers,
    })
    this.#cacheHits = new Counter({
      name: 'asr_cache_hits_total',
      help: 'Requests answered with the answer to an earlier one, or to one that was on its way.',
      registers,
    })
    this.#cacheMisses = new Counter({
      name: 'asr_cache_misses_total',
      help: 'Requests sent to an instance because their answer was not known.',
      registers,
    })
    addGauges(this.registry, source)
  }

  cacheHit(): void {
    this.#cacheHits.inc()
  }

  cacheMissed(): void {
    this.#cacheMisses.inc()
  }

  answered(route: RouteLabel, code: number, seconds: number): void {
    this.#requests.inc({ route, code })
    this.#duration.observe({ route }, seconds)
  }

  instanceAnswered(instance: string, code: number): void {
    this.#instanceRequests.inc({ instance, code })
  }

  waited(seconds: number): void {
    this.#queueWait.observe(seconds)
  }

  retried(reason: RetryReason): void {
    this.#retries.inc({ reason })
  }

  ejected(instance: string, reason: EjectionReason): void {
    this.#ejections.inc({ instance, reason })
  }
}

function addGauges(registry: Registry, source: () => GaugeSource): void {
  const registers = [registry]
  new Gauge({
    name: 'asr_queue_depth',
    help: 'Requests that wait for a slot.',
    registers,
    collect() {
      this.set(source().queueDepth)
    },
  })
  new Gauge({
    name: 'asr_instance_up',
    help: '1 when the instance may get requests.',
    labelNames: ['instance'],
    registers,
    collect() {
      this.reset()
      for (const backend of source().backends) this.set({ instance: backend.id }, backend.isServing() ? 1 : 0)
    },
  })
  new Gauge({
    name: 'asr_instance_in_flight',
    help: 'Requests that the instance works on.',
    labelNames: ['instance'],
    registers,
    collect() {
      this.reset()
      for (const backend of source().backends) this.set({ instance: backend.id }, backend.inFlight)
    },
  })
}
