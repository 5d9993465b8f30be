import type { StateChange } from '../process/managed-process.js'

/** Everything that happens in a cluster and is worth a line. */
export type ClusterEvent =
  | ({ type: 'state' } & StateChange)
  | { type: 'progress'; id: string; stage: string; ratio: number; detail: string }
  | { type: 'notice'; level: 'info' | 'warn' | 'error'; id: string | null; text: string }

export type ClusterListener = (event: ClusterEvent) => void

export interface EventBus {
  emit(event: ClusterEvent): void
  /** Returns the function that ends the subscription. */
  subscribe(listener: ClusterListener): () => void
}

export function createEventBus(): EventBus {
  const listeners = new Set<ClusterListener>()
  return {
    emit(event) {
      for (const listener of listeners) listener(event)
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/** One line for people. */
export function describeEvent(event: ClusterEvent): string {
  switch (event.type) {
    case 'state': {
      const pid = event.pid === null ? '' : ` (pid ${event.pid})`
      const reason = event.reason === event.to ? '' : `: ${event.reason}`
      return `${event.id} ${event.from} → ${event.to}${pid}${reason}`
    }
    case 'progress':
      return `${event.id} ${event.stage} ${Math.round(event.ratio * 100)} % ${event.detail}`.trimEnd()
    case 'notice':
      return event.id === null ? event.text : `${event.id}: ${event.text}`
    default:
      return event satisfies never
  }
}
