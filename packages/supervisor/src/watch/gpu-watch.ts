import type { ManagedInstance } from '../cluster/managed-instance.js'
import { judgeGpus, unknownHealth } from '../gpu/gpu-health.js'
import type { GpuHealth } from '../gpu/gpu-health.js'
import type { GpuInventory } from '../gpu/gpu-inventory.js'
import type { Gpu } from '../gpu/gpu.js'
import { placeGpu } from '../gpu/place-gpu.js'
import type { WatchContext } from './watch-context.js'

export interface GpuWatch {
  /** GPUs that instances may be placed on. */
  usable(): Gpu[]
  /** Begins to act on what is seen. */
  attach(context: WatchContext): void
  close(): void
}

/**
 * Takes instances off a GPU that vanished or reports errors: to another GPU where the group leaves the choice to us,
 * else they are stopped, and started again when the GPU is back.
 */
export function createGpuWatch(inventory: GpuInventory): GpuWatch {
  let health: GpuHealth = unknownHealth
  let context: WatchContext | null = null

  const usable = (): Gpu[] => inventory.list().filter(({ uuid }) => !health.bad.has(uuid))

  function look(gpus: readonly Gpu[]): void {
    health = judgeGpus(health, gpus)
    if (context === null || context.isShuttingDown()) return
    for (const instance of context.cluster.instances()) {
      const { gpu } = instance.spec()
      if (gpu === null) continue
      const reason = health.bad.get(gpu)
      if (reason !== undefined) takeOff(instance, gpu, reason)
      else if (isOut(instance)) instance.process.dispatch({ type: 'start' })
    }
  }

  function takeOff(instance: ManagedInstance, gpu: string, reason: string): void {
    const { state, next } = instance.process.state()
    if (state === 'stopped' || state === 'stopping') return
    if (state === 'draining' && next === 'stopped') {
      // Somebody wants it gone, and may wait for that. What it still works on cannot end well.
      instance.process.dispatch({ type: 'stop', drain: false, reason })
      return
    }
    const elsewhere = anotherGpu(instance, gpu)
    if (elsewhere === null) {
      // Nothing it works on there can end well, so there is no drain to wait for.
      instance.process.dispatch({ type: 'stop', drain: false, cause: 'gpu', reason })
      return
    }
    instance.setSpec({ ...instance.spec(), gpu: elsewhere })
    instance.process.dispatch({
      type: 'restart',
      drain: false,
      cause: 'gpu',
      reason: `${reason}; moves to ${elsewhere}`,
    })
  }

  function anotherGpu(instance: ManagedInstance, gpu: string): string | null {
    const group = context?.cluster.config().groups.find(({ name }) => name === instance.spec().group)
    if (group?.gpus !== 'auto') return null
    return placeGpu(
      'auto',
      0,
      usable().filter(({ uuid }) => uuid !== gpu),
      new Map(),
    )
  }

  const unsubscribe = inventory.subscribe(look)
  return {
    usable,
    attach(next) {
      context = next
      look(inventory.list())
    },
    close: unsubscribe,
  }
}

/** Stopped by us, and by nobody else since. */
function isOut(instance: ManagedInstance): boolean {
  const { state, next, cause } = instance.process.state()
  return cause === 'gpu' && (state === 'stopped' || (state === 'stopping' && next === 'stopped'))
}
