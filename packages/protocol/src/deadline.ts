import { timerDelayMs } from './timer-delay.js'

export interface Deadline {
  /** Aborts when the time is over, or when the given signal does. */
  signal: AbortSignal
  /** The time is over; false where the given signal came first. */
  isOver(): boolean
  clear(): void
}

/**
 * To be used, and cleared at the end, where a time limit and a signal come together. AbortSignal.any with
 * AbortSignal.timeout will not do: in Node 20 only weak references lead to that timeout, so that the garbage collector
 * takes it and nothing ever aborts.
 */
export function startDeadline(ms: number, signal?: AbortSignal): Deadline {
  const controller = new AbortController()
  let isOver = false
  const onAbort = (): void => controller.abort(signal?.reason)
  const timer = setTimeout(() => {
    isOver = !controller.signal.aborted
    controller.abort(new DOMException(`not done within ${ms} ms`, 'TimeoutError'))
  }, timerDelayMs(ms))
  if (signal?.aborted) onAbort()
  signal?.addEventListener('abort', onAbort, { once: true })
  return {
    signal: controller.signal,
    isOver: () => isOver,
    clear() {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    },
  }
}
