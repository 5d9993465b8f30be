import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { gpuBytesNeeded, memoryNeed, readModelSize } from './memory-need.js'

const demo = fileURLToPath(new URL('../../../../models/demo', import.meta.url))
const instance = {
  model: demo,
  quantization: 'auto',
  device: 'auto',
  slots: 'auto',
  gpuMemory: 'auto',
} as const

it('reckons with weights, and with keys and values of all slots', () => {
  // Qwen3-ASR-1.7B: 28 layers, 8 key heads of 128.
  const size = { weightBytes: 4.1e9, cacheValuesPerToken: 2 * 28 * 8 * 128 }
  const need = (quantization: 'fp16' | 'int8' | 'int4' | 'none', slots: number | 'auto') =>
    gpuBytesNeeded({ size, quantization, slots }) / 1e9
  expect(need('fp16', 'auto')).toBeCloseTo(7.4, 1)
  expect(need('int8', 'auto')).toBeCloseTo(5.5, 1)
  expect(need('int4', 'auto')).toBeCloseTo(5.1, 1)
  expect(need('none', 'auto')).toBeCloseTo(14.3, 1)
  expect(need('fp16', 128)).toBeCloseTo(16, 0)
})

it('reads the size of a folder as it is published', () => {
  expect(readModelSize(demo)).toMatchObject({ cacheValuesPerToken: expect.any(Number) as number })
  expect(memoryNeed(instance)).toBeGreaterThan(4e8)
  expect(readModelSize('/nowhere')).toBeNull()
})

it('knows nothing of processors and of foreign servers, but what it is told', () => {
  expect(memoryNeed({ ...instance, device: 'cpu' })).toBeNull()
  expect(memoryNeed({ ...instance, command: ['vllm'] })).toBeNull()
  expect(memoryNeed({ ...instance, command: ['vllm'], gpuMemory: 20e9 })).toBe(20e9)
})
