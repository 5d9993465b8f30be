import { expect, it } from 'vitest'
import { backoffMs } from './retry.js'

it('waits longer each time, up to half a minute, and as long as asked up to five', () => {
  expect([1, 2, 3, 6, 20].map((failures) => backoffMs(failures, null, 1))).toEqual([
    1e3, 2e3, 4e3, 30e3, 30e3,
  ])
  expect(backoffMs(3, null, 0)).toBe(2000)
  expect(backoffMs(1, 0, 1)).toBe(0)
  expect(backoffMs(1, 42_000, 0)).toBe(42_000)
  expect(backoffMs(1, 86_400_000, 0)).toBe(300_000)
})
