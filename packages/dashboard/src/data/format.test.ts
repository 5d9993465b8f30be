import { expect, test } from 'vitest'
import {
  formatBytes,
  formatDuration,
  formatNumber,
  formatPosition,
  formatSeconds,
  niceCeiling,
} from './format.js'

test.each([
  [formatDuration(59.9), '59 s'],
  [formatDuration(61), '1 min 1 s'],
  [formatDuration(3_600 * 3 + 300), '3 h 5 min'],
  [formatDuration(86_400 * 2 + 3_600), '2 d 1 h'],
  [formatNumber(0.012345), '0.0123'],
  [formatNumber(1234.5), '1235'],
  [formatSeconds(0.0421), '42 ms'],
  [formatSeconds(3.214), '3.21 s'],
  [formatBytes(3 * 2 ** 30), '3 GiB'],
  [formatPosition(75.24), '1:15.2'],
  [formatPosition(3), '0:03.0'],
])('%s', (actual, expected) => {
  expect(actual).toBe(expected)
})

test.each([
  [0, 1],
  [0.3, 0.5],
  [1, 1],
  [11, 20],
  [51, 100],
])('an axis for %f ends at %f', (value, top) => {
  expect(niceCeiling(value)).toBeCloseTo(top)
})
