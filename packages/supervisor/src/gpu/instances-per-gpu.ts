import type { ModelSize } from './memory-need.js'

const smallWeightBytes = 200e6

/**
 * How many instances `auto` puts on a GPU. One with many slots shares each pass over the weights among all its requests, and
 * every further one takes the weights' memory again. But a step also costs the process that asks for it a time that does not
 * depend on the model's size (features, several hundred kernels to launch), in which the device waits. Of a small model that
 * is the longer part, and a second process uses the pauses: for the demo 1.1 times the throughput on an H200 and 1.5 times on
 * Vulkan in software, while 1.7B loses a sixth to a third by it (bench/gpu/instances.mjs). What is not known is taken for
 * large. Pure.
 */
export function instancesPerGpu(size: ModelSize | null): number {
  return size !== null && size.weightBytes < smallWeightBytes ? 2 : 1
}
