import type { Clock } from '../world/clock.js'
import type { GpuInventory } from './gpu-inventory.js'
import { judgeRoom } from './judge-room.js'
import type { Room } from './judge-room.js'

export interface MemoryRequest {
  /** Instance. */
  id: string
  /** Null for none. */
  gpu: string | null
  neededBytes: number | null
  promisedBytes: () => number
}

/** Tells whether a GPU has room for a start. */
export interface MemoryGate {
  /**
   * Judges by a reading that is newer than the last change on the GPU; without one in time the answer is that it fits.
   * `onWait` is called every second until then.
   */
  ask(request: MemoryRequest, onWait: () => void): Promise<Room>
  /** Resolves with the next reading, when none comes, or when `leave` is called. `onWait` as above. */
  next(id: string, onWait: () => void): Promise<void>
  /** An instance on the GPU is ready or has ended: what was read before does not count any more. */
  touch(gpu: string): void
  /** The start of `id` is over, however it went. */
  leave(id: string): void
}

/** A reading comes every 2 s; one that does not come must not keep anything from starting. */
export const readingLimitMs = 5_000
const tickMs = 1_000

export function createMemoryGate(
  inventory: Pick<GpuInventory, 'list' | 'subscribe'>,
  clock: Clock,
): MemoryGate {
  /** Grows with each reading. */
  let readings = inventory.list().length > 0 ? 1 : 0
  let readAt = clock.now()
  /** By GPU: the last reading before the change. */
  const touched = new Map<string, number>()
  const waiting = new Map<string, () => void>()

  inventory.subscribe(() => {
    readings += 1
    readAt = clock.now()
    for (const resolve of waiting.values()) resolve()
  })

  const isCurrent = (gpu: string): boolean =>
    readings > (touched.get(gpu) ?? 0) && clock.now() - readAt < readingLimitMs

  function next(id: string, onWait: () => void): Promise<void> {
    return new Promise((resolve) => {
      const cancelLimit = clock.after(readingLimitMs, () => settle())
      const tick = (): void => {
        onWait()
        cancelTick = clock.after(tickMs, tick)
      }
      let cancelTick = clock.after(tickMs, tick)
      const settle = (): void => {
        cancelLimit()
        cancelTick()
        waiting.delete(id)
        resolve()
      }
      waiting.set(id, settle)
    })
  }

  return {
    async ask({ id, gpu, neededBytes, promisedBytes }, onWait) {
      if (gpu === null || neededBytes === null) return { fits: true, remark: null }
      if (!isCurrent(gpu)) await next(id, onWait)
      const read = isCurrent(gpu) ? inventory.list().find(({ uuid }) => uuid === gpu) : undefined
      return judgeRoom({ gpu: read, neededBytes, promisedBytes: promisedBytes() })
    },
    next,
    touch: (gpu) => void touched.set(gpu, readings),
    leave: (id) => waiting.get(id)?.(),
  }
}
