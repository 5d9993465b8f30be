import { expect, test } from 'vitest'
import { maySpin } from './spinning.js'

test.each([
  [{ available: 2, total: 2, shared: false }, true],
  [{ available: 2, total: 8, shared: true }, true],
  [{ available: 8, total: 8, shared: true }, false],
])('%j: %j', (cores, expected) => {
  expect(maySpin(cores)).toBe(expected)
})
