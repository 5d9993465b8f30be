import type { Gpu } from './gpu.js'

export interface RoomQuestion {
  /** As it was read last; undefined if it is not in the list. */
  gpu: Gpu | undefined
  /** Null where nobody knows. */
  neededBytes: number | null
  /** What our other instances on this GPU may take, whether they use it already or not. */
  promisedBytes: number
}

export type Room =
  /** `remark`: worth a line all the same. */
  { fits: true; remark: string | null } | { fits: false; reason: string }

/**
 * Whether an instance fits beside what runs on its GPU. What cannot be known never holds a start up. An instance that a
 * whole GPU could not hold is started as well: waiting would not help it, and the engine makes its batches as small as
 * the memory wants them, or says what does not fit. Pure.
 */
export function judgeRoom({ gpu, neededBytes, promisedBytes }: RoomQuestion): Room {
  if (!gpu || !neededBytes || gpu.memoryTotalBytes === null || gpu.memoryUsedBytes === null) {
    return { fits: true, remark: null }
  }
  const { memoryTotalBytes: total, memoryUsedBytes: used } = gpu
  const name = `GPU ${gpu.index}`
  if (neededBytes > total) {
    return { fits: true, remark: `needs about ${gb(neededBytes)} and ${name} has ${gb(total)} in all` }
  }
  // What ours will take and do not use yet counts as used; a part of `used` is theirs, nobody tells how much.
  const taken = Math.max(used, promisedBytes)
  if (neededBytes <= total - taken) return { fits: true, remark: null }
  const by =
    promisedBytes > used
      ? `${gb(promisedBytes)} are for other instances`
      : `${gb(used)} of ${gb(total)} are used`
  return { fits: false, reason: `waits for memory: needs about ${gb(neededBytes)} of ${name}, ${by}` }
}

const gb = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`
