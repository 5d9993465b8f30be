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
  /** Resolves with true at the next reading, with false when none comes or `leave` is called. `onWait` as above. */
  next(id: string, onWait: () => void): Promise<boolean>
  /** An instance on the GPU is ready or has ended: what was read before does not count any more. */
  touch(gpu: string): void
  /** The start of `id` is over, however it went. */
  leave(id: string): void
}

/** A reading comes every 2 s; one that does not come must not keep anything from starting. */
export const readingLimitMs = 5_000
const tickMs = 1_000
/** What a reading shows may be so much older than the moment when it came, on a machine that has much to do. */
export const readingLagMs = 250

export function createMemoryGate(
  inventory: Pick<GpuInventory, 'list' | 'subscribe'>,
  clock: Clock,
): MemoryGate {
  let readAtMs = inventory.list().length > 0 ? clock.now() : Number.NEGATIVE_INFINITY
  /** By GPU: when the last change was. */
  const touchedAtMs = new Map<string, number>()
  const waiting = new Map<string, (hasReading: boolean) => void>()

  inventory.subscribe((_gpus, begunAtMs) => {
    readAtMs = begunAtMs
    for (const settle of waiting.values()) settle(true)
  })

  function isCurrent(gpu: string): boolean {
    const touched = touchedAtMs.get(gpu)
    return (
      clock.now() - readAtMs < readingLimitMs && (touched === undefined || readAtMs >= touched + readingLagMs)
    )
  }

  function next(id: string, onWait: () => void): Promise<boolean> {
    return new Promise((resolve) => {
      const cancelLimit = clock.after(readingLimitMs, () => settle(false))
      const tick = (): void => {
        onWait()
        cancelTick = clock.after(tickMs, tick)
      }
      let cancelTick = clock.after(tickMs, tick)
      const settle = (hasReading: boolean): void => {
        cancelLimit()
        cancelTick()
        waiting.delete(id)
        resolve(hasReading)
      }
      waiting.set(id, settle)
    })
  }

  return {
    async ask({ id, gpu, neededBytes, promisedBytes }, onWait) {
      if (gpu === null || neededBytes === null) return { fits: true, remark: null }
      while (!isCurrent(gpu) && (await next(id, onWait)));
      const read = isCurrent(gpu) ? inventory.list().find(({ uuid }) => uuid === gpu) : undefined
      return judgeRoom({ gpu: read, neededBytes, promisedBytes: promisedBytes() })
    },
    next,
    touch: (gpu) => void touchedAtMs.set(gpu, clock.now()),
    leave: (id) => waiting.get(id)?.(false),
  }
}
