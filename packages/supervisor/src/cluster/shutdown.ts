import type { Clock } from '../world/clock.js'
import type { ManagedProcess } from '../process/managed-process.js'
import type { Cluster } from './cluster.js'

export const stillWaitingIntervalMs = 3_000

/**
 * Stops a whole cluster so that no accepted request is lost: first the balancer takes nothing new and finishes
 * what it has (at most drainTimeout), then it stops, then the instances. Resolves when no process is left.
 */
export async function shutDown(cluster: Cluster, clock: Clock): Promise<void> {
  const stopReporting = reportWaiting(cluster, clock)
  try {
    for (const { process } of cluster.instances()) {
      if (process.state().state !== 'ready' && process.state().state !== 'draining') {
        process.dispatch({ type: 'stop', drain: false, reason: 'shutdown' })
      }
    }
    await withTimeout(cluster.drainBalancer(), cluster.config().supervisor.drainTimeout, clock)
    await cluster.until(() => {
      // Again and again: an operation that was under way may have started one, or have asked for its next life.
      for (const process of allProcesses(cluster)) {
        if (!isEnding(process)) process.dispatch({ type: 'stop', drain: false, reason: 'shutdown' })
      }
      return allProcesses(cluster).every((process) => process.state().state === 'stopped')
    })
  } finally {
    stopReporting()
  }
}

/** SIGKILL to everything; `shutDown` then finds nothing to wait for. */
export function killAll(cluster: Cluster, reason: string): void {
  for (const process of allProcesses(cluster)) process.dispatch({ type: 'kill', reason })
}

function allProcesses(cluster: Cluster): ManagedProcess[] {
  return [...cluster.balancers.all(), ...cluster.instances().map(({ process }) => process)]
}

function isEnding(process: ManagedProcess): boolean {
  const { state, next } = process.state()
  return state === 'stopped' || (state === 'stopping' && next === 'stopped')
}

function reportWaiting(cluster: Cluster, clock: Clock): () => void {
  let cancel = (): void => {}
  const report = (): void => {
    const text = `still waiting for ${describeWaiting(cluster)}`
    cluster.bus.emit({ type: 'notice', level: 'info', id: null, text })
    cancel = clock.after(stillWaitingIntervalMs, report)
  }
  cancel = clock.after(stillWaitingIntervalMs, report)
  return () => cancel()
}

/** What a shutdown waits for, with names. */
export function describeWaiting(cluster: Cluster): string {
  const { balancer, instances } = cluster.status()
  const requests = balancer.inFlight + balancer.queueDepth
  if (cluster.balancers.current().state().state === 'ready' && requests > 0) {
    const where = instances
      .filter(({ inFlight }) => inFlight > 0)
      .map(({ id, inFlight }) => `${inFlight} on ${id}`)
    const queued = balancer.queueDepth > 0 ? [`${balancer.queueDepth} queued`] : []
    return `${requests} request${requests === 1 ? '' : 's'} (${[...where, ...queued].join(', ')})`
  }
  const alive = allProcesses(cluster).filter((process) => process.pid() !== null)
  return alive.map((process) => `${process.id} (${process.state().state}, pid ${process.pid()})`).join(', ')
}

function withTimeout(promise: Promise<void>, timeoutMs: number, clock: Clock): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(timeoutMs, resolve)
    promise.then(resolve, reject).finally(cancel)
  })
}
