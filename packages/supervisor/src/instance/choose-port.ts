import { probePort } from '../process/free-port.js'
import { describePortHolder } from '../process/process-table.js'
import { SpawnError } from '../process/spawner.js'

const attempts = 100

export interface ChosenPort {
  port: number
  /** Who holds the port that was asked for; null if it was free. */
  takenBy: string | null
}

/**
 * The port asked for, or the next free one that is not reserved: what one of us has bound, but does not listen on yet,
 * looks free to a probe. Only the balancer talks to an instance,
 * so another port costs nothing, and a forgotten process on it must not keep the cluster from starting.
 * Throws SpawnError when a hundred ports are taken.
 */
export async function choosePort(
  host: string,
  wanted: number,
  isReserved: (port: number) => boolean,
): Promise<ChosenPort> {
  let takenBy: string | null = null
  for (let port = wanted; port < wanted + attempts && port <= 65_535; port += 1) {
    if (isReserved(port)) continue
    if ((await probePort(host, port)) !== null) return { port, takenBy }
    if (port === wanted) takenBy = describePortHolder(port)
  }
  throw new SpawnError(
    `no free port from ${wanted} on; the first is held by ${takenBy ?? 'another instance'}`,
    false,
  )
}
