import type { Server } from 'node:http'
import { Server as TlsServer } from 'node:https'
import { Server as NetServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import type {
  BalancerConfig,
  BalancerStats,
  CertificatePair,
  Member,
  ServedGroup,
} from '@asr-cluster/protocol'
import type { Logger } from 'pino'
import { Members } from './backend/members.js'
import { AnswerStore } from './cache/answer-store.js'
import type { AnswerShelf } from './cache/answer-shelf.js'
import { SpoolMemory } from './body/spool.js'
import { systemClock, type Clock } from './clock.js'
import { DeathLog } from './exchange/death-log.js'
import { HealthMonitor } from './health/monitor.js'
import { probeHttp, type Probe } from './health/probe.js'
import { BalancerMetrics } from './metrics/balancer-metrics.js'
import { clusterMetrics } from './metrics/cluster-metrics.js'
import { policies, type Random } from './policy/index.js'
import { Scheduler } from './queue/scheduler.js'
import { ModelRouter } from './routing/model-router.js'
import { AdminDesk } from './server/admin-desk.js'
import { AddressLimits } from './limits/address-limits.js'
import { limitConnections } from './server/connection-limit.js'
import { createBalancerServer } from './server/create-server.js'
import { createDashboardFiles, dashboardDir } from './server/dashboard-files.js'
import { Exchanges } from './server/exchanges.js'
import { createHandler, type AccessEntry, type HandlerContext } from './server/handler.js'
import { KeyRing } from './server/key-ring.js'
import { LiveStatusBoard } from './server/live-status.js'
import { Connections } from './upstream/connections.js'
import { Upgrades } from './websocket/upgrade.js'

export interface BalancerDeps {
  log: Logger
  clock?: Clock
  random?: Random
  probe?: Probe
  spoolDir?: string
  /** HTTPS with this certificate; HTTP without. */
  certificate?: CertificatePair | undefined
  /** The API keys that are let in, as `formatApiKey` writes them; none lets everybody in. */
  apiKeyHashes?: readonly string[]
  /** Memory for answers that are given again to the same request; none keeps no answers. */
  cacheMaxBytes?: number | undefined
  /** Further places for them, the nearest first; closed with the balancer. */
  answerShelves?: readonly AnswerShelf[]
  /** Whether this member's slots are what its health answer says, instead of what was configured. */
  takesSlotsFromHealth?: (id: string) => boolean
  /** The stats changed in a way that should be told at once. */
  onUrgentStats?: () => void
  /** One line per answer, when wanted. */
  onAccess?: (entry: AccessEntry) => void
}

/** The whole balancer without its process: `listen`, `setMembers`, `drain`, `close`. */
export class Balancer {
  readonly config: BalancerConfig
  readonly members: Members
  readonly liveStatus: LiveStatusBoard
  readonly admin: AdminDesk
  readonly #log: Logger
  readonly #scheduler: Scheduler
  readonly #monitor: HealthMonitor
  readonly #server: Server
  readonly #exchanges = new Exchanges()
  readonly #upgrades: Upgrades
  readonly #keys: KeyRing
  readonly #onUrgentStats: () => void
  readonly #answerShelves: readonly AnswerShelf[]
  #supervisorMetrics: readonly unknown[] = []
  #certificateExpiry: number | undefined
  #draining = false
  #handedOver = false

  constructor(config: BalancerConfig, deps: BalancerDeps) {
    const { log, clock = systemClock, random = Math.random, probe = probeHttp, spoolDir = tmpdir() } = deps
    this.config = config
    this.#log = log
    this.admin = new AdminDesk(clock)
    this.#onUrgentStats = deps.onUrgentStats ?? (() => undefined)
    this.#answerShelves = deps.answerShelves ?? []
    const metrics = new BalancerMetrics(
      () => ({
        queueDepth: this.#scheduler.queueDepth,
        backends: this.members.backends,
        certificateExpiry: this.#certificateExpiry,
      }),
      clock,
    )
    this.#scheduler = new Scheduler({
      policy: policies[config.policy],
      queueMax: config.queue.max,
      retryBudget: config.retry.budget,
      clock,
      random,
      onRelease: (_, idle) => {
        if (idle) this.#onUrgentStats()
      },
    })
    this.#monitor = new HealthMonitor({
      health: config.health,
      clock,
      probe,
      backends: () => this.members.backends,
      onEjected: (backend, reason, detail) => {
        metrics.ejected(backend.id, reason)
        log.warn({ instance: backend.id, reason, detail, inFlight: backend.inFlight }, 'instance removed')
        this.#changed()
      },
      onReturned: (backend) => {
        log.info({ instance: backend.id, slots: backend.member.slots }, 'instance up')
        this.#changed()
      },
      onReport: (backend, report) => {
        if (report.native) backend.member.native = true
        if (!deps.takesSlotsFromHealth?.(backend.id)) return
        if (report.slots === undefined || report.slots < 1 || report.slots === backend.member.slots) return
        backend.member.slots = report.slots
        this.#scheduler.pump()
      },
    })
    this.members = new Members({
      connect: (member) =>
        new Connections(member.url, {
          connectTimeoutMs: config.timeouts.connect,
          responseTimeoutMs: config.timeouts.response,
        }),
      keepsSlots: (id) => deps.takesSlotsFromHealth?.(id) ?? false,
      onAdded: (backend) => this.#monitor.watch(backend),
      onRemoved: (backend) => {
        this.#monitor.unwatch(backend)
        metrics.instanceLeft(backend.id)
        log.info({ instance: backend.id, inFlight: backend.inFlight }, 'instance left')
      },
      onChanged: () => this.#changed(),
    })
    this.liveStatus = new LiveStatusBoard(
      {
        stats: () => this.stats(),
        members: () => this.members.backends.map((backend) => backend.member),
        queueMax: config.queue.max,
        isDraining: () => this.#draining,
      },
      clock,
    )
    this.#keys = new KeyRing(deps.apiKeyHashes ?? [])
    const context: HandlerContext = {
      config,
      clock,
      scheduler: this.#scheduler,
      monitor: this.#monitor,
      metrics,
      deaths: new DeathLog(),
      spoolMemory: new SpoolMemory(),
      spoolDir,
      log,
      isDraining: () => this.#draining,
      renderMetrics: () => clusterMetrics(metrics, this.#supervisorMetrics, this.members.backends),
      liveStatus: () => this.liveStatus.read(),
      dashboardFile: createDashboardFiles(dashboardDir()),
      members: () => this.members.backends,
      modelNames: () => this.members.modelNames,
      answers:
        deps.cacheMaxBytes === undefined
          ? undefined
          : new AnswerStore({
              maxBytes: deps.cacheMaxBytes,
              modelsOf: (group) => this.members.modelsOf(group),
              shelves: this.#answerShelves,
            }),
      keys: this.#keys,
      addresses: AddressLimits.of(config.perAddress),
      admin: this.admin,
      startedAtSeconds: Math.floor(Date.now() / 1_000),
      exchanges: this.#exchanges,
      onAccess: deps.onAccess,
      router: new ModelRouter(this.members),
    }
    this.#upgrades = new Upgrades(context)
    const listeners = {
      handle: createHandler(context),
      upgrade: this.#upgrades.handle.bind(this.#upgrades),
      isFree: this.#exchanges.isFree.bind(this.#exchanges),
    }
    this.#server = createBalancerServer(listeners, deps.certificate)
    this.#certificateExpiry = deps.certificate?.expiresAtSeconds
    const { maxConnectionsPerAddress } = config
    if (maxConnectionsPerAddress !== undefined) limitConnections(this.#server, maxConnectionsPerAddress)
  }

  /** Listens on the address, or on an inherited listening socket. Resolves with the port; rejects as `server.listen`. */
  listen(where: { host: string; port: number } | { fd: number }): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(where, () => {
        this.#server.off('error', reject)
        this.#server.on('error', (error) => this.#log.error({ err: error }, 'listening socket failed'))
        resolve((this.#server.address() as AddressInfo).port)
      })
    })
  }

  /** `groups` as for `Members.apply`. */
  setMembers(members: readonly Member[], groups?: readonly ServedGroup[]): void {
    this.#scheduler.membersKnown = true
    this.members.apply(members, groups)
    for (const { id, draining } of members) if (draining) this.#upgrades.closeOf(id)
  }

  /** Counts for the next request of each connection at once; WebSockets that were opened with another key are closed. */
  setApiKeys(hashes: readonly string[]): void {
    this.#keys.replace(hashes)
    this.#upgrades.closeUnauthorized()
  }

  /** For connections that are opened from now on; the others go on with the one that they know. */
  setCertificate({ cert, key, expiresAtSeconds }: CertificatePair): void {
    if (!(this.#server instanceof TlsServer)) return
    this.#server.setSecureContext({ cert, key })
    this.#certificateExpiry = expiresAtSeconds
  }

  setSupervisorMetrics(metrics: readonly unknown[]): void {
    this.#supervisorMetrics = metrics
  }

  stats(): BalancerStats {
    return {
      type: 'stats',
      policy: this.config.policy,
      queueDepth: this.#scheduler.queueDepth,
      inFlight: this.#scheduler.inFlight,
      members: this.members.backends.map((backend) => ({
        id: backend.id,
        inFlight: backend.inFlight,
        state: backend.member.draining ? 'draining' : backend.state,
        ...(backend.reason === undefined ? {} : { reason: backend.reason }),
      })),
    }
  }

  /**
   * Another process accepts on the listening socket from now on. The connections that are here stay: nobody can tell an idle
   * one from one on which a request is on its way. Each ends with its next answer, or after the time that any connection
   * may be idle. Resolves when none is left.
   */
  async handOver(): Promise<void> {
    this.#logDrain({ handOver: true })
    this.#handedOver = true
    this.#exchanges.makeLast()
    this.admin.close()
    this.#upgrades.handOver()
    // Stops to accept; the HTTP server's own `close` would also end idle connections.
    const closed = new Promise<void>((resolve) =>
      NetServer.prototype.close.call(this.#server, () => resolve()),
    )
    await Promise.all([closed, this.#exchanges.ended()])
  }

  /**
   * Finishes what is in flight and queued; meanwhile it answers `/readyz` with 503 and new work with 503 `draining`. After
   * `handOver` it closes what is idle, so that the hand-over ends.
   */
  async drain(): Promise<void> {
    this.#logDrain({ handOver: false })
    this.#draining = true
    this.#exchanges.makeLast()
    this.admin.close()
    const upgradesClosed = this.#upgrades.closeAll()
    if (this.#handedOver) this.#server.closeIdleConnections()
    await Promise.all([this.#exchanges.ended(), upgradesClosed])
  }

  /** Ends everything at once. */
  async close(): Promise<void> {
    this.#monitor.stop()
    for (const backend of this.members.backends) backend.connections.close()
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    this.#upgrades.destroyAll()
    for (const shelf of this.#answerShelves) shelf.close()
    await closed
  }

  #logDrain(how: { handOver: boolean }): void {
    const { inFlight, queueDepth: queued } = this.#scheduler
    this.#log.info({ inFlight, queued, ...how }, 'draining')
  }

  #changed(): void {
    this.#scheduler.setBackends(this.members.backends)
    this.#onUrgentStats()
  }
}
