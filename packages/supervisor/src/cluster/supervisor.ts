import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { bindListeningSocket } from '../balancer/listening-socket.js'
import type { ListeningSocket } from '../balancer/listening-socket.js'
import { resolveAllowUsers } from '../config/allow-users.js'
import { resolveRunAs } from '../config/run-as.js'
import type { ClusterConfig } from '../config/schema.js'
import { AlreadyRunningError } from '../control/control-server.js'
import type { ControlApi } from '../control/control-server.js'
import { isSocketAlive } from '../control/find-cluster.js'
import { serveLastingControl } from '../control/lasting-control.js'
import { controlSocketPath, ensureStateDir } from '../control/state-dir.js'
import { createGpuInventory } from '../gpu/gpu-inventory.js'
import { startGuard } from '../process/guard.js'
import { guardedSpawner } from '../process/guarded-spawner.js'
import { claimLogFolder } from '../logs/claim-folder.js'
import { findLeftovers, killLeftovers } from '../process/leftovers.js'
import type { ProcessInfo } from '../process/process-table.js'
import { systemSpawner } from '../process/spawner.js'
import { systemClock } from '../world/clock.js'
import { openFileLimit, openFilesNeeded } from '../world/file-limit.js'
import { usableCores } from '../world/machine.js'
import { watchAccuracy } from '../watch/accuracy.js'
import { watchLoad } from '../watch/autoscaler.js'
import { createGpuWatch } from '../watch/gpu-watch.js'
import { watchLimits } from '../watch/limits.js'
import { watchLiveness } from '../watch/liveness.js'
import { checkMachine } from './check-machine.js'
import { createCluster } from './cluster.js'
import type { Cluster } from './cluster.js'
import type { ProgramCommands } from './cluster-options.js'
import { controlApi } from './control-api.js'
import { createEventBus } from './events.js'
import type { ClusterListener } from './events.js'
import { installedCommands } from './program-commands.js'
import { killAll, shutDown } from './shutdown.js'
import { createOperationQueue } from './operations/operation-queue.js'
import { createEventLogger } from './supervisor-log.js'

export interface SupervisorOptions {
  config: ClusterConfig
  /** Reads the configuration again for `reload`. Throws ConfigError. */
  loadConfig?: () => ClusterConfig
  stateDir: string
  onEvent?: ClusterListener
  commands?: ProgramCommands
  /** For clients; without it the configured port is bound. Closed at the end. */
  socket?: ListeningSocket | undefined
  /** Ends the cluster that is to be replaced; called once the settings are known to suit this machine. */
  makeRoom?: (() => Promise<void>) | undefined
}

/** A running cluster together with its control socket. */
export interface Supervisor {
  readonly cluster: Cluster
  readonly port: number
  /** The same that the control socket offers. */
  readonly api: ControlApi
  isShuttingDown: () => boolean
  /** Drains and stops everything; a second call waits for the first. */
  shutDown(): Promise<void>
  /** SIGKILL to everything. */
  kill(): void
  /** Settles when nothing of the cluster is left. */
  readonly finished: Promise<void>
}

/**
 * Takes the port, opens the control socket and starts every process. Throws AlreadyRunningError, PortTakenError,
 * MachineMismatchError, or what the system says.
 */
export async function startSupervisor(options: SupervisorOptions): Promise<Supervisor> {
  const { config, stateDir } = options
  const clock = systemClock
  const bus = createEventBus()
  if (options.onEvent) bus.subscribe(options.onEvent)
  const notice = (level: 'info' | 'warn', text: string): void =>
    bus.emit({ type: 'notice', level, id: null, text })
  ensureStateDir(stateDir)
  const user = resolveRunAs(config.supervisor.user)
  const allowUsers = resolveAllowUsers(config.supervisor.allowUsers, user)
  if (options.makeRoom) {
    await checkMachine(config, { bindsAddress: !options.socket, spawner: systemSpawner, clock })
    await options.makeRoom()
  }
  const leftovers = await clearLeftovers(stateDir, options.socket?.port ?? config.balancer.port)
  const socket = options.socket ?? bindListeningSocket(config.balancer.host, config.balancer.port)
  const { port } = socket
  const clusterId = `${port}-${randomBytes(8).toString('hex')}`
  const guard = startGuard(clusterId, clock, (message) => notice('warn', `the guard ${message}`))
  const spawner = guardedSpawner(systemSpawner, guard)
  const logs = claimLogFolder(config.supervisor.logs.dir, port)
  const gpus = createGpuInventory({ spawner, clock, onTrouble: (message) => notice('warn', message) })
  const gpuWatch = createGpuWatch(gpus)
  const release = (): void => {
    gpuWatch.close()
    gpus.close()
    socket.close()
    logs.release()
    guard.quit()
  }
  try {
    await gpus.first()
    const commands = options.commands ?? installedCommands()
    const cluster = createCluster({
      bus,
      config,
      logsDir: logs.dir,
      clusterId,
      socket,
      commands,
      machine: () => ({ cores: usableCores(), gpus: gpuWatch.usable() }),
      gpus,
      user,
      allowUsers,
      spawner,
      clock,
      random: Math.random,
    })
    bus.subscribe(createEventLogger(cluster.logs.get('supervisor')))
    gpus.subscribe(cluster.metrics.recordGpus)
    const closing = new AbortController()
    let stopping: Promise<void> | null = null
    const stop = (): Promise<void> => {
      stopping ??= shutDown(cluster, clock)
      cluster.wake()
      return stopping
    }
    const socketPath = controlSocketPath(stateDir, port)
    const queue = createOperationQueue(clock)
    const isShuttingDown = (): boolean => stopping !== null
    const api = controlApi(cluster, {
      queue,
      shutDown: stop,
      isShuttingDown,
      loadConfig: options.loadConfig ?? (() => config),
      closing: closing.signal,
    })
    const closeControl = await serveLastingControl(socketPath, api, clock)
    cluster.admin.serve(api)
    if (allowUsers === null && config.supervisor.allowUsers !== 'any') {
      const why = 'this system does not show whose a connection is'
      notice('info', `other users of this machine can ask the instances on their own ports: ${why}`)
    }
    if (logs.heldBy !== null) {
      const holder = `the cluster on port ${logs.heldBy.port} (pid ${logs.heldBy.pid})`
      notice('warn', `the logs are in ${logs.dir}: ${holder} writes to ${config.supervisor.logs.dir}`)
    }
    const files = openFileLimit()
    const needed = openFilesNeeded(config.balancer.queue.max)
    if (files !== null && files < needed) {
      notice('warn', `only ${files} files may be open and a full queue needs ${needed}; raise \`ulimit -n\``)
    }
    for (const { pid, command } of leftovers) {
      notice('warn', `killed ${command} (pid ${pid}), left over from a supervisor that is gone`)
    }
    cluster.start()
    const watch = { cluster, clock, queue, isShuttingDown, random: Math.random, say: () => {} }
    gpuWatch.attach(watch)
    const stopWatching = [
      watchLiveness(watch),
      watchLimits(watch),
      watchLoad(watch),
      watchAccuracy(watch, { spawner, command: commands.cli }),
    ]
    const finished = cluster
      .until(isShuttingDown)
      .then(() => {
        for (const stopOne of stopWatching) stopOne()
        return stopping
      })
      .then(async () => {
        closing.abort()
        await closeControl()
        rmSync(socketPath, { force: true })
        release()
        cluster.close()
      })
    return {
      cluster,
      port,
      api,
      isShuttingDown,
      shutDown() {
        void stop()
        return finished
      },
      kill: () => killAll(cluster, 'killed by a second signal'),
      finished,
    }
  } catch (error) {
    release()
    throw error
  }
}

async function clearLeftovers(stateDir: string, port: number): Promise<ProcessInfo[]> {
  if (port === 0) return []
  if (await isSocketAlive(controlSocketPath(stateDir, port))) {
    throw new AlreadyRunningError(
      `a cluster already runs on port ${port}: see \`asr-cluster status\`, stop it with \`asr-cluster down\``,
    )
  }
  const leftovers = findLeftovers(port)
  await killLeftovers(leftovers)
  return leftovers
}
