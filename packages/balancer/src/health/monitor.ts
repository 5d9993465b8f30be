import type { BalancerConfig } from '@asr-cluster/protocol'
import type { Backend } from '../backend/backend.js'
import type { Clock } from '../clock.js'
import type { EjectionReason } from '../metrics/balancer-metrics.js'
import {
  isHostGone,
  confirmTimeoutMs,
  judgeProbe,
  mayEjectOneMore,
  type HealthRecord,
  type Judgement,
} from './judge.js'
import type { Probe, ProbeReport } from './probe.js'

/** A member that is not known yet is probed this often, so that it is of use as soon as it can be. */
const firstProbeIntervalMs = 250
/** An instance that broke a connection has so long to show that it lives. */
const confirmMs = 500
/** A shorter ejection (one broken connection of a living instance) needs no slow start. */
const slowStartAfterMs = 1_000

export interface MonitorOptions {
  health: BalancerConfig['health']
  clock: Clock
  probe: Probe
  backends: () => readonly Backend[]
  onEjected: (backend: Backend, reason: EjectionReason, detail: string) => void
  onReturned: (backend: Backend) => void
  /** Each probe's result, before it is judged. */
  onReport?: (backend: Backend, report: ProbeReport) => void
}

interface Watch {
  backend: Backend
  record: HealthRecord
  cancelTimer: () => void
  /** Start of the newest probe. */
  sentAtMs: number
  /** The probe that runs now. */
  running: Promise<void> | undefined
}

/** Probes every member and is the one writer of `Backend.state`. */
export class HealthMonitor {
  readonly #options: MonitorOptions
  readonly #watches = new Map<Backend, Watch>()

  constructor(options: MonitorOptions) {
    this.#options = options
  }

  watch(backend: Backend): void {
    const record: HealthRecord = { state: backend.state, misses: 0, hits: 0 }
    const watch: Watch = { backend, record, cancelTimer: () => undefined, sentAtMs: 0, running: undefined }
    this.#watches.set(backend, watch)
    void this.#probeNow(watch, this.#options.health.timeout)
  }

  unwatch(backend: Backend): void {
    this.#watches.get(backend)?.cancelTimer()
    this.#watches.delete(backend)
  }

  stop(): void {
    for (const backend of this.#watches.keys()) this.unwatch(backend)
  }

  /**
   * Removes a backend on evidence from the data path; a probe follows at once and may bring it back. `detail` is the code
   * of a connection that could not be opened, or a text.
   */
  eject(backend: Backend, reason: EjectionReason, detail: string): void {
    const watch = this.#watches.get(backend)
    if (!watch || backend.state === 'ejected') return
    watch.record = { state: 'ejected', misses: 0, hits: 0 }
    this.#apply(watch, { to: 'ejected', reason: isHostGone(detail) ? 'unreachable' : reason, detail })
    this.suspect(backend)
  }

  /** Probes now instead of at the end of the interval. */
  suspect(backend: Backend): void {
    const watch = this.#watches.get(backend)
    if (watch && !watch.running) void this.#probeNow(watch, this.#options.health.timeout)
  }

  /**
   * Whether the process is gone on which an attempt in that life broke: what a probe sent after the break found. A
   * member that was removed meanwhile, or does not answer at once, is.
   */
  async confirmGone(backend: Backend, life: number): Promise<boolean> {
    const watch = this.#watches.get(backend)
    if (!watch) return true
    let cancel = (): void => undefined
    const deadline = new Promise<void>((resolve) => {
      cancel = this.#options.clock.after(confirmMs, resolve)
    })
    await Promise.race([this.#probedSince(watch, backend.ejectedAtMs), deadline])
    cancel()
    return backend.removed || backend.state !== 'up' || backend.life > life + 1
  }

  async #probedSince(watch: Watch, atMs: number): Promise<void> {
    while (watch.sentAtMs < atMs || watch.running) {
      this.suspect(watch.backend)
      if (!watch.running) return
      await watch.running
    }
  }

  async #probeNow(watch: Watch, timeoutMs: number): Promise<void> {
    watch.cancelTimer()
    const { promise, resolve } = withResolvers()
    watch.running = promise
    const { health, probe, clock } = this.#options
    const sentAtMs = clock.nowMs()
    watch.sentAtMs = sentAtMs
    const report = await probe(watch.backend.member, health.path, timeoutMs).catch(withoutProbe)
    watch.running = undefined
    if (this.#watches.get(watch.backend) === watch) {
      this.#options.onReport?.(watch.backend, report)
      this.#judge(watch, report, sentAtMs)
      this.#schedule(watch, report, sentAtMs)
    }
    resolve()
  }

  #judge(watch: Watch, report: ProbeReport, sentAtMs: number): void {
    const { health, backends } = this.#options
    const { backend } = watch
    const counted = backends().filter((each) => !each.member.draining)
    const ejected = counted.filter((each) => each.state === 'ejected').length
    const judgement = judgeProbe(watch.record, report.finding, {
      fall: health.fall,
      rise: health.rise,
      madeProgress: backend.lastByteAtMs >= sentAtMs,
      mayEject: backend.state === 'probing' || mayEjectOneMore(ejected, counted.length),
    })
    watch.record = judgement.record
    if (judgement.change) this.#apply(watch, judgement.change)
    else if (backend.state !== 'up' && report.finding.kind !== 'good') backend.reason = detailOf(report)
  }

  #apply(watch: Watch, change: NonNullable<Judgement['change']>): void {
    const { backend } = watch
    const { clock, onEjected, onReturned } = this.#options
    if (change.to === 'up') {
      const outMs = clock.nowMs() - backend.ejectedAtMs
      const returning = backend.state === 'ejected' ? outMs > slowStartAfterMs : backend.rampWhenUp
      backend.rampFromMs = returning ? clock.nowMs() : undefined
      backend.rampWhenUp = false
      backend.state = 'up'
      backend.reason = undefined
      backend.currentWeight = 0
      onReturned(backend)
      return
    }
    backend.state = 'ejected'
    backend.reason = change.detail
    backend.life += 1
    backend.ejectedAtMs = clock.nowMs()
    backend.inFlightAtEjection = backend.inFlight
    // Of a foreign server that computes on its only thread, silence proves nothing: its requests may go on.
    const isHung = change.reason === 'probe_timeout' && backend.member.native
    if (isHung || change.reason === 'unreachable') {
      for (const running of backend.running) running.stalled()
    }
    onEjected(backend, change.reason, change.detail)
  }

  #schedule(watch: Watch, report: ProbeReport, sentAtMs: number): void {
    const { health, clock } = this.#options
    const { state, misses } = watch.record
    if (report.finding.kind === 'timeout' && state === 'up' && misses > 0) {
      const timeoutMs = confirmTimeoutMs(health.interval, health.timeout, health.fall)
      void this.#probeNow(watch, timeoutMs)
      return
    }
    const intervalMs = state === 'probing' ? Math.min(firstProbeIntervalMs, health.interval) : health.interval
    const delayMs = Math.max(0, sentAtMs + intervalMs - clock.nowMs())
    watch.cancelTimer = clock.after(delayMs, () => void this.#probeNow(watch, health.timeout))
  }
}

/** One that could not be sent has failed: it must not end the process. */
function withoutProbe(error: Error): ProbeReport {
  return { finding: { kind: 'failed', detail: error.message }, slots: undefined, native: false }
}

function detailOf(report: ProbeReport): string {
  return 'detail' in report.finding ? report.finding.detail : report.finding.kind
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
