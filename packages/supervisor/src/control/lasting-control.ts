import { existsSync } from 'node:fs'
import type { Server } from 'node:http'
import { dirname } from 'node:path'
import type { Clock } from '../world/clock.js'
import { serveControl } from './control-server.js'
import type { ControlApi } from './control-server.js'
import { ensureStateDir } from './state-dir.js'

export const lookIntervalMs = 5_000
const lastAnswersMs = 500

/**
 * `serveControl` that listens anew when its file is gone: logind removes XDG_RUNTIME_DIR when its user has logged out, and
 * nobody could reach the cluster any more. Returns what ends it. Throws AlreadyRunningError.
 */
export async function serveLastingControl(
  path: string,
  api: ControlApi,
  clock: Clock,
): Promise<() => Promise<void>> {
  /** The newest listens; the others have callers left, perhaps. */
  const servers = [await serveControl(path, api)]
  let isOver = false
  let cancel = (): void => {}
  let looking = Promise.resolve()

  async function look(): Promise<void> {
    if (!existsSync(path)) await listenAnew()
    plan()
  }

  async function listenAnew(): Promise<void> {
    try {
      ensureStateDir(dirname(path))
      // First, because it removes the file of its path.
      servers.at(-1)?.close()
      servers.push(await serveControl(path, api))
    } catch {
      // The folder may come back with the next login.
    }
  }

  function plan(): void {
    if (isOver) return
    cancel = clock.after(lookIntervalMs, () => {
      looking = look()
    })
  }

  plan()
  return async () => {
    isOver = true
    cancel()
    await looking
    await Promise.all(servers.map(closeServer))
  }
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), lastAnswersMs)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    server.closeIdleConnections()
  })
}
