import type { Clock } from '../world/clock.js'

/** Lets only so many starts of one kind happen at once: eight models must not be read from one disk, or into one GPU, together. */
export interface StartGate {
  /**
   * Resolves when it is `id`'s turn. `onWait` is called every second until then.
   * A second call of the same id, before its release, passes at once.
   */
  enter(id: string, key: string, limit: number, onWait: () => void): Promise<void>
  /** The start of `id` is over, however it went. */
  leave(id: string): void
}

const waitTickMs = 1_000

interface Waiter {
  id: string
  key: string
  limit: number
  enter: () => void
}

export function createStartGate(clock: Clock): StartGate {
  const inside = new Map<string, string>()
  let waiting: Waiter[] = []

  const hasRoom = (key: string, limit: number): boolean =>
    [...inside.values()].filter((other) => other === key).length < limit

  function admit(): void {
    for (const waiter of waiting) {
      if (!hasRoom(waiter.key, waiter.limit)) continue
      waiting = waiting.filter((other) => other !== waiter)
      inside.set(waiter.id, waiter.key)
      waiter.enter()
    }
  }

  return {
    enter(id, key, limit, onWait) {
      if (inside.has(id) || hasRoom(key, limit)) {
        inside.set(id, key)
        return Promise.resolve()
      }
      return new Promise((resolve) => {
        let cancelTick = (): void => {}
        const tick = (): void => {
          onWait()
          cancelTick = clock.after(waitTickMs, tick)
        }
        cancelTick = clock.after(waitTickMs, tick)
        const enter = (): void => {
          cancelTick()
          resolve()
        }
        waiting.push({ id, key, limit, enter })
      })
    },
    leave(id) {
      inside.delete(id)
      // One that was stopped while it waited is let through, to find out that it is not wanted any more.
      const own = waiting.filter((waiter) => waiter.id === id)
      waiting = waiting.filter((waiter) => waiter.id !== id)
      for (const waiter of own) waiter.enter()
      admit()
    },
  }
}
