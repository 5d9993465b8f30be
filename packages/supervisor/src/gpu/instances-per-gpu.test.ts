import { expect, it } from 'vitest'
import { instancesPerGpu } from './instances-per-gpu.js'

it('gives a small model two instances, a released one or an unknown one one', () => {
  expect(instancesPerGpu({ weightBytes: 8e6, cacheValuesPerToken: 1 })).toBe(2)
  expect(instancesPerGpu({ weightBytes: 1.2e9, cacheValuesPerToken: 1 })).toBe(1)
  expect(instancesPerGpu(null)).toBe(1)
})
