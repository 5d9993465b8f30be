import type { BalancerStats, ClusterStatus } from '@asr-cluster/protocol'
import type { ClusterConfig } from '../config/schema.js'
import { createMemoryGate } from '../gpu/memory-gate.js'
import { planInstances, servedGroup } from '../instance/plan-instances.js'
import type { InstanceSpec, Machine } from '../instance/plan-instances.js'
import { createStartGate } from '../instance/start-gate.js'
import type { StateChange } from '../process/managed-process.js'
import { version } from '../version.js'
import { createAdminDesk } from './admin-desk.js'
import type { AdminDesk } from './admin-desk.js'
import { createBalancerSet } from './balancer-set.js'
import type { BalancerSet } from './balancer-set.js'
import type { ClusterOptions } from './cluster-options.js'
import type { EventBus } from './events.js'
import { createLogSet } from './log-set.js'
import type { LogSet } from './log-set.js'
import { createManagedInstance } from './managed-instance.js'
import type { ManagedInstance } from './managed-instance.js'
import { createSupervisorMetrics } from './metrics.js'
import type { SupervisorMetrics } from './metrics.js'
import { createStatusSender } from './status-sender.js'

/** All processes of one cluster, and what they tell each other. */
export interface Cluster {
  readonly bus: EventBus
  readonly logs: LogSet
  readonly port: number
  readonly balancers: BalancerSet
  readonly metrics: SupervisorMetrics
  readonly admin: AdminDesk
  config(): ClusterConfig
  /** What counts from now on; processes that run are not touched but for time limits. */
  setConfig(config: ClusterConfig): void
  /** Instances by group where somebody asked for another number than the configuration does. */
  readonly counts: Map<string, number>
  /** Groups in which a reload ended half way: some of their instances may be of another configuration than `config`. */
  readonly unfinished: Set<string>
  machine(): Machine
  instances(): ManagedInstance[]
  instance(id: string): ManagedInstance | undefined
  /** Does not start it. */
  addInstance(spec: InstanceSpec): ManagedInstance
  /** It must be stopped, or failed. */
  removeInstance(id: string): void
  /** What the balancer said last; null before, and while it is down. */
  stats(): BalancerStats | null
  inFlight(id: string): number
  status(): ClusterStatus
  start(): void
  /** After a change that no process made, such as one of weights. */
  sendMembers(): void
  /** Asks the balancers to refuse new work; resolves once none has any left, or all are gone. */
  drainBalancer(): Promise<void>
  /** Resolves as soon as `condition` holds; it is looked at after every change. */
  until(condition: () => boolean): Promise<void>
  /** Lets `until` look at its conditions. */
  wake(): void
  close(): void
}

const metricsIntervalMs = 5_000
/** A socket that outlives us: so long may idle connections send their last request, while new ones wait. */
const lastRequestsMs = 5_000
/** And so long may connections wait in it for the first instance. Most clients have more patience than that. */
const firstInstanceMs = 30_000

export function createCluster(options: ClusterOptions): Cluster {
  const { bus, clock, spawner, random, clusterId, commands, user, allowUsers } = options
  let config = options.config
  const logs = createLogSet({ ...config.supervisor.logs, dir: options.logsDir }, clock, bus)
  const metrics = createSupervisorMetrics()
  const admin = createAdminDesk(() => config.auth.adminKeys, clock)
  const gate = createStartGate(clock)
  const memoryGate = createMemoryGate(options.gpus, clock)
  const startedAt = clock.now()
  const counts = new Map<string, number>()
  const instances = new Map<string, ManagedInstance>()
  const waiters = new Set<() => void>()
  let isClosed = false
  let hasAccepted = false
  let cancelMetrics = (): void => {}

  bus.subscribe(metrics.record)
  const statusSender = createStatusSender(clock, () =>
    balancers.tellAll({ type: 'status', status: status() }),
  )

  const balancers = createBalancerSet({
    settings: config,
    supervisor: config.supervisor,
    command: commands.balancer,
    socket: options.socket,
    clusterId,
    spawner,
    clock,
    random,
    logs,
    user,
    admin,
    onNeedsMembers: sendMembers,
    untilOrLate,
    mayAccept,
    onForgotten: (id) => metrics.forget(id),
    onNews() {
      statusSender.changed()
      settleDrains()
      wake()
    },
    onChange(change) {
      if (change.to === 'ready') {
        sendMembers()
        void sendMetrics()
      }
      onChange(change)
    },
  })

  function onChange(change: StateChange): void {
    bus.emit({ type: 'state', ...change })
    statusSender.changed()
    settleDrains()
    wake()
  }

  function addInstance(spec: InstanceSpec): ManagedInstance {
    const instance = createManagedInstance({
      spec,
      supervisor: config.supervisor,
      command: commands.instance,
      clusterId,
      spawner,
      clock,
      random,
      logs,
      bus,
      gate,
      memoryGate,
      promisedBytes,
      user,
      pciBusId: (gpu) => options.gpus.list().find(({ uuid }) => uuid === gpu)?.pciBusId ?? null,
      allowUsers,
      isReserved: (port) => port === options.socket.port || isPortOfAnother(port, spec.id),
      onChange(change) {
        sendMembers()
        onChange(change)
      },
      onWaiting() {
        statusSender.changed()
        wake()
      },
    })
    instances.set(spec.id, instance)
    return instance
  }

  const isPortOfAnother = (port: number, id: string): boolean =>
    [...instances.values()].some((other) => other.process.id !== id && other.port() === port)

  function promisedBytes(gpu: string | null, except: string): number {
    const others = [...instances.values()].filter(
      (instance) =>
        instance.process.id !== except && instance.spec().gpu === gpu && instance.process.pid() !== null,
    )
    return others.reduce((sum, instance) => sum + (instance.gpuBytes() ?? 0), 0)
  }

  function status(): ClusterStatus {
    const stats = balancers.stats()
    return {
      supervisor: { pid: process.pid, version, uptimeSeconds: (clock.now() - startedAt) / 1_000 },
      balancer: {
        pid: balancers.current().pid(),
        port: options.socket.port,
        policy: stats?.policy ?? config.balancer.policy,
        queueDepth: stats?.queueDepth ?? 0,
        inFlight: stats?.inFlight ?? 0,
      },
      instances: [...instances.values()].map((instance) => instance.status(inFlight(instance.process.id))),
    }
  }

  function sendMembers(): void {
    const members = [...instances.values()].flatMap((instance) => instance.member() ?? [])
    const groups = [...instances.values()].map((instance) => instance.spec()).map(servedGroup)
    balancers.tellAll({ type: 'members', members, groups })
  }

  /** A drain is over when every balancer, knowing of it, has nothing in flight there. */
  function settleDrains(): void {
    for (const { process } of instances.values()) {
      if (process.state().state !== 'draining') continue
      if (balancers.inFlightWhileDraining(process.id) === 0) process.dispatch({ type: 'drained' })
    }
  }

  async function sendMetrics(): Promise<void> {
    cancelMetrics()
    const snapshot = await metrics.registry.getMetricsAsJSON()
    if (isClosed) return
    cancelMetrics()
    balancers.tellAll({ type: 'metrics', metrics: snapshot })
    cancelMetrics = clock.after(metricsIntervalMs, () => void sendMetrics())
  }

  function wake(): void {
    for (const waiter of waiters) waiter()
  }

  function until(condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        try {
          if (!condition()) return
          resolve()
        } catch (error) {
          reject(error as Error)
        }
        waiters.delete(check)
      }
      waiters.add(check)
      check()
    })
  }

  /** Like `until`, but not for longer than this; whether the condition held in time. */
  async function untilOrLate(condition: () => boolean, timeoutMs: number): Promise<boolean> {
    let isLate = false
    const cancel = clock.after(timeoutMs, () => {
      isLate = true
      wake()
    })
    try {
      await until(() => isLate || condition())
    } finally {
      cancel()
    }
    return !isLate
  }

  /**
   * In a socket that outlives us connections wait, where a balancer without an instance would refuse the requests on them.
   */
  async function mayAccept(): Promise<void> {
    if (!options.socket.isInherited || hasAccepted) return
    const isAwaited = (): boolean => balancers.current().state().state === 'starting' && !isAnyReady()
    await untilOrLate(() => !isAwaited(), firstInstanceMs)
    hasAccepted = true
  }

  const isAnyReady = (): boolean =>
    [...instances.values()].some(({ process }) => process.state().state === 'ready')

  /**
   * The next supervisor will accept what comes from now on; connections that are here end with their next answer, because
   * nobody can tell an idle one from one on which a request is on its way.
   */
  async function leaveSocket(): Promise<void> {
    balancers.tellAll({ type: 'shutdown', handOver: true })
    await untilOrLate(() => balancers.isDrained(), lastRequestsMs)
  }

  const inFlight = (id: string): number =>
    balancers.stats()?.members.find((member) => member.id === id)?.inFlight ?? 0

  const plan = planInstances({
    config,
    counts,
    machine: options.machine(),
    clientsPort: options.socket.port,
    existing: [],
  })
  for (const spec of plan) addInstance(spec)

  return {
    bus,
    logs,
    port: options.socket.port,
    balancers,
    metrics,
    admin,
    config: () => config,
    setConfig(next) {
      config = next
      balancers.setSupervisorConfig(next.supervisor)
      for (const instance of instances.values()) instance.setSupervisorConfig(next.supervisor)
    },
    counts,
    unfinished: new Set(),
    machine: options.machine,
    instances: () => [...instances.values()],
    instance: (id) => instances.get(id),
    addInstance,
    removeInstance(id) {
      instances.delete(id)
      metrics.forget(id)
      statusSender.changed()
      sendMembers()
      wake()
    },
    stats: () => balancers.stats(),
    inFlight,
    status,
    start() {
      balancers.current().dispatch({ type: 'start' })
      for (const { process } of instances.values()) process.dispatch({ type: 'start' })
    },
    sendMembers,
    async drainBalancer() {
      if (options.socket.isInherited) await leaveSocket()
      balancers.tellAll({ type: 'shutdown' })
      await until(() => balancers.isDrained())
    },
    until,
    wake,
    close() {
      isClosed = true
      cancelMetrics()
      statusSender.close()
      logs.close()
    },
  }
}
