import type { Clock } from '../../world/clock.js'
import { OperationError } from './operation.js'

/** One that runs, or waits for its turn. */
export interface QueuedOperation {
  /** In the words of the command line: `scale a=3`. */
  name: string
  state: 'running' | 'waiting'
  /** Since it began, or since it was asked for. */
  seconds: number
}

export interface QueueOptions {
  /** Aborts when nobody waits for it any longer: one that has not begun yet never does. */
  gone?: AbortSignal | undefined
  /** It is not its turn yet; called at once, with those before it. */
  onWait?: (ahead: readonly QueuedOperation[]) => void
}

/** Operations change what the others look at, so there is one at a time. `down` waits for none. */
export interface OperationQueue {
  /** Rejects with what the operation throws, and with OperationError when it never began. */
  run<T>(name: string, operation: () => Promise<T>, options?: QueueOptions): Promise<T>
  isIdle(): boolean
  /** The running one first. */
  list(): QueuedOperation[]
}

interface Entry {
  name: string
  isRunning: boolean
  sinceMs: number
}

export function createOperationQueue(clock: Pick<Clock, 'now'>): OperationQueue {
  let last: Promise<unknown> = Promise.resolve()
  let entries: Entry[] = []

  const list = (): QueuedOperation[] =>
    entries.map(({ name, isRunning, sinceMs }) => ({
      name,
      state: isRunning ? 'running' : 'waiting',
      seconds: (clock.now() - sinceMs) / 1_000,
    }))

  return {
    run(name, operation, { gone, onWait } = {}) {
      if (entries.length > 0) onWait?.(list())
      const entry: Entry = { name, isRunning: false, sinceMs: clock.now() }
      entries.push(entry)
      const leave = (): void => {
        entries = entries.filter((other) => other !== entry)
      }
      const onGone = (): void => {
        if (!entry.isRunning) leave()
      }
      gone?.addEventListener('abort', onGone, { once: true })
      const result = last
        .then(() => {
          if (gone?.aborted)
            throw new OperationError(`${name}: not begun, because nobody waits for it any longer`)
          Object.assign(entry, { isRunning: true, sinceMs: clock.now() })
          return operation()
        })
        .finally(() => {
          gone?.removeEventListener('abort', onGone)
          leave()
        })
      last = result.catch(() => {})
      return result
    },
    isIdle: () => entries.length === 0,
    list,
  }
}
