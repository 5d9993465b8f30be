import { expect, test } from 'vitest'
import { histogramQuantile } from './quantile.js'

const buckets = [
  { le: 0.1, count: 0 },
  { le: 0.5, count: 8 },
  { le: 1, count: 10 },
  { le: Number.POSITIVE_INFINITY, count: 10 },
]

test.each([
  [0.5, 0.35],
  [0.8, 0.5],
  [0.9, 0.75],
  [1, 1],
])('quantile %f is %f', (quantile, expected) => {
  expect(histogramQuantile(quantile, buckets)).toBeCloseTo(expected)
})

test('beyond the last bound the bound is all that is known', () => {
  const slow = [
    { le: 1, count: 1 },
    { le: Number.POSITIVE_INFINITY, count: 10 },
  ]
  expect(histogramQuantile(0.95, slow)).toBe(1)
})

test('nothing observed has no quantile', () => {
  expect(histogramQuantile(0.5, [])).toBeNull()
  expect(histogramQuantile(0.5, [{ le: 1, count: 0 }])).toBeNull()
})
