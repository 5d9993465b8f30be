import { expect, test } from 'vitest'
import { createCpuUse } from './cpu-use.js'

test('counts from the last call on', () => {
  const readings = [
    { busy: 100, total: 1_000 },
    { busy: 180, total: 1_100 },
    { busy: 180, total: 1_200 },
  ]
  const use = createCpuUse(() => readings.shift()!)
  expect(use()).toBeCloseTo(0.8)
  expect(use()).toBe(0)
})

test('repeats itself when no time has passed', () => {
  const readings = [
    { busy: 0, total: 0 },
    { busy: 50, total: 100 },
    { busy: 50, total: 100 },
  ]
  const use = createCpuUse(() => readings.shift()!)
  expect(use()).toBe(0.5)
  expect(use()).toBe(0.5)
})
