import { MachineMismatchError } from '../config/config-error.js'
import type { GroupConfig } from '../config/schema.js'
import { freeBytes } from './gpu.js'
import type { Gpu } from './gpu.js'

/** A group names a GPU that is not there. */
export class NoSuchGpuError extends MachineMismatchError {
  override name = 'NoSuchGpuError'
}

/**
 * GPU for the next instance of a group, by UUID; null for none. With `auto` the instances are spread in proportion to
 * free memory, by the highest-averages method of D'Hondt: the one with the most free bytes per instance, counting the
 * new one. `pending` counts, by UUID, instances that are placed but do not use their memory yet.
 * Throws NoSuchGpuError.
 */
export function placeGpu(
  wanted: GroupConfig['gpus'],
  index: number,
  gpus: readonly Gpu[],
  pending: ReadonlyMap<string, number>,
): string | null {
  if (wanted === 'none') return null
  if (wanted === 'auto') return spread(gpus, pending)
  const name = wanted[index % wanted.length]
  const found = gpus.find((gpu) => (typeof name === 'number' ? gpu.index === name : gpu.uuid === name))
  if (found) return found.uuid
  const known = gpus.map((gpu) => `${gpu.index} (${gpu.uuid})`).join(', ')
  throw new NoSuchGpuError(`there is no GPU ${name}; nvidia-smi knows ${known === '' ? 'none' : known}`)
}

function spread(gpus: readonly Gpu[], pending: ReadonlyMap<string, number>): string | null {
  let best: { uuid: string; share: number } | null = null
  for (const gpu of gpus) {
    const share = freeBytes(gpu) / ((pending.get(gpu.uuid) ?? 0) + 1)
    if (best === null || share > best.share) best = { uuid: gpu.uuid, share }
  }
  return best?.uuid ?? null
}
