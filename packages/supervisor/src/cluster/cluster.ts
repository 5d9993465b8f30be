import type { BalancerMessage, BalancerStats, ClusterStatus } from '@asr-cluster/protocol'
import { balancerProgram } from '../balancer/balancer-program.js'
import type { ClusterConfig } from '../config/schema.js'
import { planInstances } from '../instance/plan-instances.js'
import type { InstanceSpec } from '../instance/plan-instances.js'
import { createManagedProcess } from '../process/managed-process.js'
import type { ManagedProcess, StateChange } from '../process/managed-process.js'
import { version } from '../version.js'
import type { ClusterOptions } from './cluster-options.js'
import { createEventBus } from './events.js'
import type { EventBus } from './events.js'
import { createLogSet } from './log-set.js'
import type { LogSet } from './log-set.js'
import { machineSettings } from './machine-settings.js'
import { createManagedInstance } from './managed-instance.js'
import type { ManagedInstance } from './managed-instance.js'
import { createSupervisorMetrics } from './metrics.js'

/** All processes of one cluster, and what they tell each other. */
export interface Cluster {
  readonly bus: EventBus
  readonly logs: LogSet
  readonly port: number
  readonly balancer: ManagedProcess
  config(): ClusterConfig
  instances(): ManagedInstance[]
  /** What the balancer said last; null before, and while it is down. */
  stats(): BalancerStats | null
  status(): ClusterStatus
  start(): void
  /** Asks the balancer to refuse new work; resolves once it has none left, or is gone. */
  drainBalancer(): Promise<void>
  /** Resolves as soon as `condition` holds; it is looked at after every change. */
  until(condition: () => boolean): Promise<void>
  close(): void
}

const metricsIntervalMs = 5_000

export function createCluster(options: ClusterOptions): Cluster {
  const { clock, spawner, random, clusterId, commands } = options
  const config = options.config
  const bus = createEventBus()
  const logs = createLogSet(config.supervisor.logs, clock, bus)
  const metrics = createSupervisorMetrics()
  const startedAt = clock.now()
  const instances = new Map<string, ManagedInstance>()
  const waiters = new Set<() => void>()
  let stats: BalancerStats | null = null
  let hasDrained = false
  let isClosed = false
  let cancelMetrics = (): void => {}

  if (options.onLine) logs.subscribe(options.onLine)
  bus.subscribe(metrics.record)

  const balancer = createManagedProcess({
    program: balancerProgram({
      command: commands.balancer,
      config: () => config.balancer,
      listenFd: options.socket.fd,
      port: options.socket.port,
      clusterId,
      onMessage: onBalancerMessage,
      // Before it listens: a balancer without members would refuse the connections that waited for it.
      onSpawned: () => queueMicrotask(sendMembers),
    }),
    settings: machineSettings(config.supervisor, 'message'),
    spawner,
    clock,
    random,
    log: logs.get('balancer'),
    onChange: onBalancerChange,
  })

  for (const spec of planInstances(config, options.machine)) instances.set(spec.id, addInstance(spec))

  function addInstance(spec: InstanceSpec): ManagedInstance {
    return createManagedInstance({
      spec,
      supervisor: config.supervisor,
      command: commands.instance,
      clusterId,
      spawner,
      clock,
      random,
      logs,
      bus,
      isReserved: (port) => [...instances.values()].some((other) => other.port() === port),
      onChange(change) {
        bus.emit({ type: 'state', ...change })
        sendMembers()
        settleDrains()
        wake()
      },
    })
  }

  function onBalancerChange(change: StateChange): void {
    if (change.to !== 'ready') stats = null
    bus.emit({ type: 'state', ...change })
    if (change.to === 'ready') {
      sendMembers()
      void sendMetrics()
    }
    settleDrains()
    wake()
  }

  function onBalancerMessage(message: BalancerMessage): void {
    if (message.type === 'stats') {
      stats = message
      settleDrains()
    } else if (message.type === 'drained') {
      hasDrained = true
    }
    wake()
  }

  function sendMembers(): void {
    const members = [...instances.values()].flatMap((instance) => instance.member() ?? [])
    balancer.send({ type: 'members', members })
  }

  /** A drain is over when the balancer, knowing of it, has nothing in flight there, or when there is no balancer. */
  function settleDrains(): void {
    for (const { process } of instances.values()) {
      if (process.state().state !== 'draining') continue
      const member = stats?.members.find(({ id }) => id === process.id)
      const isIdle = member?.state === 'draining' && member.inFlight === 0
      if (isIdle || isDown(balancer)) process.dispatch({ type: 'drained' })
    }
  }

  async function sendMetrics(): Promise<void> {
    cancelMetrics()
    const snapshot = await metrics.registry.getMetricsAsJSON()
    if (isClosed) return
    balancer.send({ type: 'metrics', metrics: snapshot })
    cancelMetrics = clock.after(metricsIntervalMs, () => void sendMetrics())
  }

  function wake(): void {
    for (const waiter of waiters) waiter()
  }

  function until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!condition()) return
        waiters.delete(check)
        resolve()
      }
      waiters.add(check)
      check()
    })
  }

  return {
    bus,
    logs,
    port: options.socket.port,
    balancer,
    config: () => config,
    instances: () => [...instances.values()],
    stats: () => stats,
    status: () => ({
      supervisor: { pid: process.pid, version, uptimeSeconds: (clock.now() - startedAt) / 1_000 },
      balancer: {
        pid: balancer.pid(),
        port: options.socket.port,
        policy: stats?.policy ?? config.balancer.policy,
        queueDepth: stats?.queueDepth ?? 0,
        inFlight: stats?.inFlight ?? 0,
      },
      instances: [...instances.values()].map((instance) =>
        instance.status(stats?.members.find(({ id }) => id === instance.process.id)?.inFlight ?? 0),
      ),
    }),
    start() {
      balancer.dispatch({ type: 'start' })
      for (const { process } of instances.values()) process.dispatch({ type: 'start' })
    },
    async drainBalancer() {
      if (balancer.state().state !== 'ready') return
      hasDrained = false
      balancer.send({ type: 'shutdown' })
      await until(() => hasDrained || balancer.state().state !== 'ready')
    },
    until,
    close() {
      isClosed = true
      cancelMetrics()
      logs.close()
    },
  }
}

function isDown(process: ManagedProcess): boolean {
  const { state } = process.state()
  return state === 'stopped' || state === 'failed'
}
