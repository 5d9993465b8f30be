import type { Gpu } from './gpu.js'

/** What is known of the GPUs over time. */
export interface GpuHealth {
  /** By UUID: uncorrected errors when it was first seen; what was before us is not held against it. */
  readonly firstErrors: ReadonlyMap<string, number>
  /** By UUID: looks in a row in which it was missing. */
  readonly missing: ReadonlyMap<string, number>
  /** By UUID: why no instance may be on it. */
  readonly bad: ReadonlyMap<string, string>
}

export const unknownHealth: GpuHealth = { firstErrors: new Map(), missing: new Map(), bad: new Map() }

/** A list may be cut short once, when `nvidia-smi` is in the middle of it. */
const missesUntilLost = 2

/** Judges a new list: a GPU is bad while it is missing, and from its first new uncorrected memory error on. Pure. */
export function judgeGpus(health: GpuHealth, gpus: readonly Gpu[]): GpuHealth {
  const firstErrors = new Map(health.firstErrors)
  const missing = new Map<string, number>()
  const bad = new Map<string, string>()
  for (const gpu of gpus) {
    const errors = gpu.eccErrors ?? 0
    // The counter begins anew with the driver.
    const first = Math.min(firstErrors.get(gpu.uuid) ?? errors, errors)
    firstErrors.set(gpu.uuid, first)
    if (errors > first)
      bad.set(gpu.uuid, `GPU ${gpu.index} reports ${errors - first} uncorrected memory errors`)
  }
  for (const uuid of health.firstErrors.keys()) {
    if (gpus.some((gpu) => gpu.uuid === uuid)) continue
    const misses = (health.missing.get(uuid) ?? 0) + 1
    missing.set(uuid, misses)
    if (misses >= missesUntilLost) bad.set(uuid, `GPU ${uuid} has vanished`)
  }
  return { firstErrors, missing, bad }
}
