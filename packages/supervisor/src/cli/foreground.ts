import { existsSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { exitCodes } from '@asr-cluster/protocol'
import { balancerUrl } from '../balancer/balancer-program.js'
import { adoptListeningSocket } from '../balancer/listening-socket.js'
import type { Cluster } from '../cluster/cluster.js'
import { isSettled } from '../cluster/is-settled.js'
import { createShutdownRequests } from '../cluster/shutdown-requests.js'
import { startSupervisor } from '../cluster/supervisor.js'
import type { Supervisor } from '../cluster/supervisor.js'
import type { ClusterConfig } from '../config/schema.js'
import { installationRoot } from '../config/load-config.js'
import { stateDir } from '../control/state-dir.js'
import { systemClock } from '../world/clock.js'
import { serviceManager } from '../world/systemd.js'
import type { CliContext } from './context.js'
import { cliExit } from './exit-codes.js'
import { explainError } from './explain-error.js'
import { createNarrator } from './narrator.js'
import { detachedParent } from './detach.js'
import type { DetachedParent } from './detach.js'
import { replaceRunning } from './replace-running.js'

/** Runs the supervisor in this process until the cluster was stopped; returns the exit code. */
export async function runForeground(
  config: ClusterConfig,
  loadConfig: () => ClusterConfig,
  context: CliContext,
  { replace }: { replace: boolean },
): Promise<number> {
  const parent = detachedParent(context.env)
  const say = parent?.say ?? context.output.print
  const complain = parent?.complain ?? context.output.complain
  const service = serviceManager(context.env, systemClock)
  let supervisor: Supervisor
  const { port } = config.balancer
  try {
    const socket = adoptListeningSocket(context.env, config.balancer) ?? undefined
    const dir = stateDir(context.env)
    supervisor = await startSupervisor({
      config,
      loadConfig,
      socket,
      stateDir: dir,
      makeRoom: replace
        ? () => replaceRunning(dir, socket?.port ?? port, socket !== undefined, say)
        : undefined,
      onEvent: createNarrator(context.output, say),
    })
  } catch (error) {
    service.close()
    if (!parent) throw error
    const code = explainError(error, { complain })
    parent.finish(code)
    return code
  }
  const signals = handleSignals(supervisor, say)
  const onReady = (status: string): void => {
    service.ready(status)
    parent?.finish(cliExit.ok)
  }
  supervisor.cluster.until(supervisor.isShuttingDown).then(service.stopping, () => {})
  let code: number = cliExit.ok
  try {
    code = await serve(supervisor, config, { say, complain }, parent !== null, onReady)
    await supervisor.finished
  } finally {
    signals.release()
    service.close()
  }
  if (signals.wasKilled()) code = cliExit.failed
  say('stopped')
  parent?.finish(code)
  return code
}

/** Says when the cluster can be used; stops it if it cannot be, now or later. Returns the exit code. */
async function serve(
  supervisor: Supervisor,
  config: ClusterConfig,
  { say, complain }: Pick<DetachedParent, 'say' | 'complain'>,
  isDetached: boolean,
  onReady: (status: string) => void,
): Promise<number> {
  const { cluster } = supervisor
  const balancerGone = (): boolean => cluster.balancers.current().state().state === 'failed'
  const isStopped = (): boolean => cluster.balancers.current().state().state === 'stopped'
  const isStarted = (): boolean => !supervisor.isShuttingDown() && hasStarted(cluster)
  await cluster.until(() => balancerGone() || isStopped() || isStarted())
  const isReady = cluster.instances().some(({ process }) => process.state().state === 'ready')
  // None, or stopped by the operator: then that is what was asked for.
  const isIdle = cluster.instances().every(({ process }) => process.state().state === 'stopped')
  if (!balancerGone() && !isStopped() && (isReady || isIdle)) {
    const lines = welcome(cluster, config, supervisor.port, isDetached)
    for (const line of lines) say(line)
    onReady(lines[0] ?? 'ready')
    await cluster.until(() => balancerGone() || isStopped())
    if (isStopped()) return cliExit.ok
  } else if (isStopped()) {
    return cliExit.ok
  }
  const culprits = [cluster.balancers.current(), ...cluster.instances().map(({ process }) => process)].filter(
    (process) => process.state().state === 'failed',
  )
  for (const process of culprits) {
    complain(`${process.id} failed: ${process.state().reason}`)
    for (const line of process.lastEnd()?.stderr ?? []) complain(`  | ${line}`)
  }
  await supervisor.shutDown()
  const isConfiguration = culprits.every((process) => process.lastEnd()?.code === exitCodes.configuration)
  return isConfiguration ? cliExit.configuration : cliExit.failed
}

function hasStarted(cluster: Cluster): boolean {
  const starts = cluster.instances().map((instance) => ({
    state: instance.process.state().state,
    isWaiting: instance.waitingFor() !== null,
  }))
  return isSettled(cluster.balancers.current().state().state, starts)
}

function welcome(cluster: Cluster, config: ClusterConfig, port: number, isDetached: boolean): string[] {
  const states = cluster.instances().map(({ process }) => process.state().state)
  const ready = states.filter((state) => state === 'ready').length
  const url = balancerUrl(config.balancer, port)
  // Nobody signs a certificate for the loopback address.
  const curl = config.balancer.tls === undefined ? 'curl' : 'curl --insecure'
  return [
    `${ready} of ${states.length} instances ready, serving on ${url}`,
    `try: ${curl} -F audio=@${exampleAudio()} ${url}/asr`,
    isDetached ? 'stop it with: asr-cluster down' : 'Ctrl-C drains and stops it',
  ]
}

function exampleAudio(): string {
  const path = resolve(installationRoot, 'examples/hello.wav')
  if (!existsSync(path)) return 'recording.wav'
  const fromHere = relative(process.cwd(), path)
  return fromHere.startsWith('..') ? path : fromHere
}

interface SignalHandling {
  /** True if somebody did not wait for the drain. */
  wasKilled: () => boolean
  release: () => void
}

function handleSignals(supervisor: Supervisor, say: (line: string) => void): SignalHandling {
  let isKilled = false
  const requests = createShutdownRequests(systemClock, {
    drain() {
      say('draining; press Ctrl-C again to kill')
      void supervisor.shutDown()
    },
    kill() {
      say('killing')
      isKilled = true
      supervisor.kill()
      void supervisor.shutDown()
    },
  })
  const names = ['SIGINT', 'SIGTERM'] as const
  for (const name of names) process.on(name, requests.signal)
  // From a terminal it means that the terminal is gone; a daemon is told to read its configuration again.
  const onHangUp = process.stdin.isTTY ? requests.signal : () => void reload(supervisor)
  process.on('SIGHUP', onHangUp)
  // What goes wrong in one corner must not take the whole cluster down; it is said, and the machine goes on.
  const onRejection = (reason: unknown): void => {
    const text = `unexpected: ${reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)}`
    supervisor.cluster.bus.emit({ type: 'notice', level: 'error', id: null, text })
  }
  process.on('unhandledRejection', onRejection)
  return {
    wasKilled: () => isKilled,
    release() {
      for (const name of names) process.off(name, requests.signal)
      process.off('SIGHUP', onHangUp)
      process.off('unhandledRejection', onRejection)
    },
  }
}

async function reload(supervisor: Supervisor): Promise<void> {
  const report = (text: string, isError: boolean): void => {
    supervisor.cluster.bus.emit({ type: 'notice', level: isError ? 'error' : 'info', id: null, text })
  }
  try {
    const result = await supervisor.api.operations['reload']?.({}, (line, waits) => {
      if (waits) report(`reload: ${line}`, false)
    })
    report(`reload: ${result?.message ?? 'done'}`, result?.ok === false)
  } catch (error) {
    report(`reload failed: ${(error as Error).message}`, true)
  }
}
