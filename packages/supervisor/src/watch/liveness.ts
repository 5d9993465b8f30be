import { ProbeTimeoutError } from '../process/http-get.js'
import type { ManagedProcess } from '../process/managed-process.js'
import { every } from './watch-context.js'
import type { WatchContext } from './watch-context.js'

/** Something that should answer while it is ready. */
interface Target {
  process: ManagedProcess
  check(timeoutMs: number, signal: AbortSignal): Promise<void>
  /** True where no answer may only mean that it works: many a server takes one request at a time. */
  mayBeBusy: boolean
}

interface Record {
  /** The life that the misses belong to. */
  readyAt: number
  misses: number
  isChecking: boolean
}

/**
 * Replaces a ready process that does not answer any more: stopped (SIGSTOP), in a deadlock, or a wrapper whose server
 * is gone. Our own instances answer `/health` on a thread that never computes, so there silence always counts.
 */
export function watchLiveness(context: WatchContext): () => void {
  const { cluster, clock } = context
  const records = new Map<string, Record>()
  const abort = new AbortController()
  const settings = (): ReturnType<typeof cluster.config>['supervisor']['liveness'] =>
    cluster.config().supervisor.liveness

  function targets(): Target[] {
    const balancer = cluster.balancers.current()
    return [
      { process: balancer, check: (ms, signal) => cluster.balancers.check(ms, signal), mayBeBusy: false },
      ...cluster.instances().map((instance) => ({
        process: instance.process,
        check: (ms: number, signal: AbortSignal) => instance.check(ms, signal),
        mayBeBusy: instance.spec().command !== null && cluster.inFlight(instance.process.id) > 0,
      })),
    ]
  }

  async function look(target: Target): Promise<void> {
    const { id } = target.process
    const { state, readyAt } = target.process.state()
    if (state !== 'ready' || readyAt === null) return
    const known = records.get(id)
    const record = known?.readyAt === readyAt ? known : { readyAt, misses: 0, isChecking: false }
    records.set(id, record)
    if (record.isChecking) return
    record.isChecking = true
    try {
      await target.check(settings().timeout, abort.signal)
      record.misses = 0
    } catch (error) {
      if (abort.signal.aborted || (error instanceof ProbeTimeoutError && target.mayBeBusy)) return
      record.misses += 1
      if (record.misses < settings().fall || target.process.state().readyAt !== readyAt) return
      const message = `does not answer any more: ${(error as Error).message}, ${record.misses} times in a row`
      target.process.dispatch({ type: 'unresponsive', message })
    } finally {
      record.isChecking = false
    }
  }

  const cancel = every(
    clock,
    () => settings().interval,
    () => {
      for (const target of targets()) void look(target)
    },
  )
  return () => {
    cancel()
    abort.abort()
  }
}
