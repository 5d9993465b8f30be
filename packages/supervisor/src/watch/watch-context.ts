import type { OperationContext } from '../cluster/operations/operation.js'
import type { OperationQueue } from '../cluster/operations/operation-queue.js'
import type { Clock } from '../world/clock.js'

/** What the watchers of a running cluster work with. */
export interface WatchContext extends OperationContext {
  queue: OperationQueue
  clock: Clock
  random: () => number
}

/** Calls `tick` every `intervalMs()`, never twice at a time. Returns the function that ends it. */
export function every(clock: Clock, intervalMs: () => number, tick: () => void | Promise<void>): () => void {
  let isOver = false
  let cancel = (): void => {}
  const plan = (): void => {
    if (!isOver) cancel = clock.after(intervalMs(), () => void run())
  }
  async function run(): Promise<void> {
    try {
      await tick()
    } finally {
      plan()
    }
  }
  plan()
  return () => {
    isOver = true
    cancel()
  }
}
