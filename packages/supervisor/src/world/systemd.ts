import { execFile } from 'node:child_process'
import type { Clock } from './clock.js'

/** What systemd is told of this service; nothing happens when it did not start us. */
export interface ServiceManager {
  ready: (status: string) => void
  stopping: () => void
  close(): void
}

const nobody: ServiceManager = { ready: () => {}, stopping: () => {}, close: () => {} }

/**
 * Speaks sd_notify through `systemd-notify`, because Node cannot send to a Unix datagram socket; the unit needs
 * `NotifyAccess=all` for that. Keeps the watchdog quiet for as long as our event loop turns, if the unit has one.
 * The variables are taken out of `env`: children must not speak for us.
 */
export function serviceManager(
  env: NodeJS.ProcessEnv,
  clock: Clock,
  run: (args: string[], env: NodeJS.ProcessEnv) => void = runNotify,
): ServiceManager {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: watchdog, WATCHDOG_PID: watchdogPid } = env
  if (socket === undefined) return nobody
  const own = { ...env }
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name]
  const tell = (...args: string[]): void => run([`--pid=${process.pid}`, ...args], own)
  const isWatched =
    watchdog !== undefined && (watchdogPid === undefined || watchdogPid === String(process.pid))
  // Half of the limit, as sd_watchdog_enabled(3) asks for.
  const intervalMs = isWatched ? Number(watchdog) / 2_000 : 0
  let cancel = (): void => {}
  const pat = (): void => {
    tell('WATCHDOG=1')
    cancel = clock.after(intervalMs, pat)
  }
  if (intervalMs > 0) pat()
  return {
    ready: (status) => tell('--ready', `--status=${status}`),
    stopping: () => tell('STOPPING=1'),
    close: () => cancel(),
  }
}

function runNotify(args: string[], env: NodeJS.ProcessEnv): void {
  // Nobody to tell when it fails: the one who would want to know is the one who cannot be reached.
  execFile('systemd-notify', args, { env, timeout: 10_000 }, () => {})
}
