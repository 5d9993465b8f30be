import type { LogRequest, WriteLine } from '../control/control-server.js'
import type { LogLine } from '../logs/log-line.js'
import { listLogs, readMergedTail } from '../logs/read-tail.js'
import type { Cluster } from './cluster.js'

/** Writes the last lines of the logs, and when following every further one until `signal` aborts. */
export async function streamLogs(
  cluster: Cluster,
  { id, lines, follow }: LogRequest,
  write: WriteLine,
  signal: AbortSignal,
): Promise<void> {
  // One that has not written anything yet has no file.
  const running = ['balancer', ...cluster.instances().map(({ process }) => process.id)]
  const known = [...new Set([...listLogs(cluster.logs.dir), ...running])].toSorted()
  if (id !== null && !known.includes(id)) {
    write({ error: `no log of \`${id}\`; there are ${known.join(', ')}` })
    return
  }
  // Subscribed before the files are read, in one go: nothing is missed and nothing comes twice.
  const unsubscribe = cluster.logs.subscribe((source: string, line: LogLine) => {
    if (follow && (id === null || id === source)) write({ id: source, ...line }, true)
  })
  try {
    for (const line of readMergedTail(cluster.logs.dir, id === null ? known : [id], lines)) write(line)
    if (follow) await aborted(signal)
  } finally {
    unsubscribe()
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
