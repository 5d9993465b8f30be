import type { ControlApi, LogRequest, OperationResult, Say } from '../control/control-server.js'
import type { LogLine } from '../logs/log-line.js'
import { listLogs, readMergedTail } from '../logs/read-tail.js'
import type { Cluster } from './cluster.js'
import { describeEvent } from './events.js'

export interface ControlContext {
  shutDown(): Promise<void>
  /** Aborts when the supervisor closes its socket. */
  closing: AbortSignal
}

/** What the control socket offers, in terms of a cluster. */
export function controlApi(cluster: Cluster, context: ControlContext): ControlApi {
  return {
    status: () => cluster.status(),
    logs: (request, write, signal) => streamLogs(cluster, request, write, signal, context.closing),
    operations: {
      down: (_body, say) =>
        narrated(cluster, say, async () => {
          await context.shutDown()
          return { ok: true, data: { pid: process.pid } }
        }),
    },
  }
}

/** Tells the caller everything that happens while an operation runs. */
export async function narrated(
  cluster: Cluster,
  say: Say,
  operation: () => Promise<OperationResult>,
): Promise<OperationResult> {
  const unsubscribe = cluster.bus.subscribe((event) => say(describeEvent(event)))
  try {
    return await operation()
  } finally {
    unsubscribe()
  }
}

async function streamLogs(
  cluster: Cluster,
  { id, lines, follow }: LogRequest,
  write: (line: unknown) => void,
  gone: AbortSignal,
  closing: AbortSignal,
): Promise<void> {
  const known = listLogs(cluster.logs.dir)
  if (id !== null && !known.includes(id)) {
    write({ error: `no log of \`${id}\`; there are ${known.join(', ')}` })
    return
  }
  // Subscribed before the files are read, in one go: nothing is missed and nothing comes twice.
  const unsubscribe = cluster.logs.subscribe((source: string, line: LogLine) => {
    if (follow && (id === null || id === source)) write({ id: source, ...line })
  })
  try {
    for (const line of readMergedTail(cluster.logs.dir, id === null ? known : [id], lines)) write(line)
    if (follow) await aborted(AbortSignal.any([gone, closing]))
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
