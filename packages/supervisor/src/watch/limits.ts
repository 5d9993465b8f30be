import { rollInstances } from '../cluster/operations/restart.js'
import type { ManagedInstance } from '../cluster/managed-instance.js'
import { groupMemoryBytes } from '../process/process-table.js'
import { every } from './watch-context.js'
import type { WatchContext } from './watch-context.js'

const intervalMs = 5_000
/** Instances that were started together must not all be recycled together. */
const ageSpread = 0.1

/** Drains and restarts instances that use too much memory or are too old, one at a time. */
export function watchLimits(
  context: WatchContext,
  memoryBytes: (pid: number) => number = groupMemoryBytes,
): () => void {
  const { cluster, clock } = context
  /** By instance: the life and its share of `maxAge`. */
  const shares = new Map<string, { readyAt: number; share: number }>()
  const underway = new Set<string>()

  function shareOfAge(id: string, readyAt: number): number {
    const known = shares.get(id)
    if (known?.readyAt === readyAt) return known.share
    const share = 1 - ageSpread + 2 * ageSpread * context.random()
    shares.set(id, { readyAt, share })
    return share
  }

  function breach(instance: ManagedInstance): { cause: 'memory' | 'age'; reason: string } | null {
    const { state, readyAt } = instance.process.state()
    const pid = instance.process.pid()
    const group = cluster.config().groups.find(({ name }) => name === instance.spec().group)
    if (state !== 'ready' || readyAt === null || pid === null || !group) return null
    if (group.maxMemory !== undefined) {
      const used = memoryBytes(pid)
      if (used > group.maxMemory)
        return {
          cause: 'memory',
          reason: `uses ${megabytes(used)} of memory, maxMemory is ${megabytes(group.maxMemory)}`,
        }
    }
    if (group.maxAge !== undefined) {
      const age = clock.now() - readyAt
      if (age > group.maxAge * shareOfAge(instance.process.id, readyAt)) {
        return {
          cause: 'age',
          reason: `has run for ${Math.round(age / 1_000)} s, maxAge is ${group.maxAge / 1_000} s`,
        }
      }
    }
    return null
  }

  function recycle(instance: ManagedInstance, cause: 'memory' | 'age', reason: string): void {
    const { id } = instance.process
    underway.add(id)
    const { readyAt } = instance.process.state()
    const restart = async (): Promise<void> => {
      // It may have been restarted for another reason while this waited for its turn.
      if (instance.process.state().readyAt === readyAt)
        await rollInstances(context, [instance], cause, reason)
    }
    context.queue.run(`restart ${id} (${cause})`, restart).then(
      () => underway.delete(id),
      () => underway.delete(id),
    )
  }

  return every(
    clock,
    () => intervalMs,
    () => {
      for (const instance of cluster.instances()) {
        const found = underway.has(instance.process.id) ? null : breach(instance)
        if (found) recycle(instance, found.cause, found.reason)
      }
    },
  )
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`
