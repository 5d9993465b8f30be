import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { bindListeningSocket } from '../balancer/listening-socket.js'
import type { ClusterConfig } from '../config/schema.js'
import { isSocketAlive } from '../control/find-cluster.js'
import { AlreadyRunningError, serveControl } from '../control/control-server.js'
import { controlSocketPath, ensureStateDir } from '../control/state-dir.js'
import { startGuard } from '../process/guard.js'
import { guardedSpawner } from '../process/guarded-spawner.js'
import { findLeftovers, killLeftovers } from '../process/leftovers.js'
import { systemSpawner } from '../process/spawner.js'
import { systemClock } from '../world/clock.js'
import { createCluster } from './cluster.js'
import type { Cluster } from './cluster.js'
import type { ProgramCommands } from './cluster-options.js'
import { controlApi } from './control-api.js'
import type { ClusterListener } from './events.js'
import { installedCommands } from './program-commands.js'
import { killAll, shutDown } from './shutdown.js'
import { createEventLogger } from './supervisor-log.js'

export interface SupervisorOptions {
  config: ClusterConfig
  stateDir: string
  onEvent?: ClusterListener
  commands?: ProgramCommands
}

/** A running cluster together with its control socket. */
export interface Supervisor {
  readonly cluster: Cluster
  readonly port: number
  /** Drains and stops everything; a second call waits for the first. */
  shutDown(): Promise<void>
  /** SIGKILL to everything. */
  kill(): void
  /** Settles when nothing of the cluster is left. */
  readonly finished: Promise<void>
}

const lastAnswersMs = 500

/**
 * Takes the port, opens the control socket and starts every process. Throws AlreadyRunningError, PortTakenError,
 * or what the system says.
 */
export async function startSupervisor(options: SupervisorOptions): Promise<Supervisor> {
  const { config, stateDir } = options
  const clock = systemClock
  ensureStateDir(stateDir)
  const wantedPort = config.balancer.port
  const leftovers = wantedPort === 0 ? [] : await clearLeftovers(stateDir, wantedPort)
  const socket = bindListeningSocket(config.balancer.host, wantedPort)
  const { port } = socket
  const clusterId = `${port}-${randomBytes(8).toString('hex')}`
  const guard = startGuard(clusterId, (message) => {
    cluster.bus.emit({ type: 'notice', level: 'warn', id: null, text: `the guard ${message}` })
  })
  const cluster = createCluster({
    config,
    clusterId,
    socket,
    commands: options.commands ?? installedCommands(),
    machine: { cpus: availableParallelism() },
    spawner: guardedSpawner(systemSpawner, guard),
    clock,
    random: Math.random,
  })
  cluster.bus.subscribe(createEventLogger(cluster.logs.get('supervisor')))
  if (options.onEvent) cluster.bus.subscribe(options.onEvent)
  const closing = new AbortController()
  let stopping: Promise<void> | null = null
  const stop = (): Promise<void> => (stopping ??= shutDown(cluster, clock))

  const socketPath = controlSocketPath(stateDir, port)
  const server = await serveControl(
    socketPath,
    controlApi(cluster, { shutDown: stop, closing: closing.signal }),
  )
  for (const { pid, command } of leftovers) {
    const text = `killed ${command} (pid ${pid}), left over from a supervisor that is gone`
    cluster.bus.emit({ type: 'notice', level: 'warn', id: null, text })
  }
  cluster.start()

  const finished = cluster
    .until(() => stopping !== null)
    .then(() => stopping)
    .then(async () => {
      closing.abort()
      await closeServer(server)
      rmSync(socketPath, { force: true })
      socket.close()
      guard.quit()
      cluster.close()
    })
  return {
    cluster,
    port,
    shutDown() {
      void stop()
      return finished
    },
    kill: () => killAll(cluster, 'killed by a second signal'),
    finished,
  }
}

async function clearLeftovers(stateDir: string, port: number): ReturnType<typeof killLeftovers> {
  const path = controlSocketPath(stateDir, port)
  if (await isSocketAlive(path)) {
    throw new AlreadyRunningError(
      `a cluster already runs on port ${port}: see \`asr-cluster status\`, stop it with \`asr-cluster down\``,
    )
  }
  const leftovers = findLeftovers(port)
  await killLeftovers(leftovers)
  return leftovers
}

function closeServer(server: Awaited<ReturnType<typeof serveControl>>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), lastAnswersMs)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    server.closeIdleConnections()
  })
}
