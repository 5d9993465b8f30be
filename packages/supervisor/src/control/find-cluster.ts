import { connect } from 'node:net'
import { controlSocketPath, listControlPorts } from './state-dir.js'

export class NotRunningError extends Error {
  override name = 'NotRunningError'
}

/** True if somebody accepts connections on the socket; a file alone may be left over from a crash. */
export function isSocketAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/**
 * Port of the cluster to talk to: the one asked for, else 7860, else the only one that runs.
 * Throws NotRunningError.
 */
export async function findCluster(
  dir: string,
  port: number | undefined,
  defaultPort: number,
): Promise<number> {
  const wanted = port ?? defaultPort
  if (await isSocketAlive(controlSocketPath(dir, wanted))) return wanted
  if (port === undefined) {
    const alive: number[] = []
    for (const other of listControlPorts(dir)) {
      if (await isSocketAlive(controlSocketPath(dir, other))) alive.push(other)
    }
    if (alive.length === 1) return alive[0] as number
    if (alive.length > 1) {
      throw new NotRunningError(`several clusters run (ports ${alive.join(', ')}); choose one with --port`)
    }
  }
  throw new NotRunningError(`no cluster runs on port ${wanted}; start one with \`asr-cluster up\``)
}
