import { expect, it } from 'vitest'
import { formatHistogram, histogramOf } from './histogram.js'

it('counts each latency once, the bound in its own bucket', () => {
  const buckets = histogramOf([10, 10.1, 12, 20, 0])
  expect(buckets[0]).toEqual({ upToMs: 0.1, count: 1 })
  expect(buckets.at(-1)?.upToMs).toBeGreaterThanOrEqual(20)
  expect(buckets.reduce((sum, { count }) => sum + count, 0)).toBe(5)
  const ten = buckets.find(({ upToMs }) => Math.abs(upToMs - 10) < 1e-6)
  expect(ten?.count).toBe(1)
  expect(histogramOf([])).toEqual([])
})

it('draws the largest bucket widest, and empty ones without a bar', () => {
  const lines = formatHistogram(histogramOf([...Array.from({ length: 40 }, () => 100), 160, 1_500]))
  expect(lines[0]).toBe(`  ≤   100 ms      40  ${'█'.repeat(40)}`)
  expect(lines[1]).toBe('  ≤   130 ms       0')
  expect(lines.at(-1)).toMatch(/^ {2}≤ +1.6 s +1 {2}█$/)
})
