import { expect, it } from 'vitest'
import { parseMetrics, sumOf } from './parse-metrics.js'

const text = `# HELP asr_requests_total Requests "answered".
# TYPE asr_requests_total counter
asr_requests_total{route="/asr",code="200"} 4
asr_requests_total{route="/asr",code="503"} 1
asr_requests_total{route="/health",code="200"} 7 1700000000000
asr_queue_depth 0
asr_wait_bucket{le="+Inf"} 3
odd{name="a\\"b\\\\c,d=\\"e\\"\\n"} NaN
infinite -Inf

broken{
`

it('reads names, labels and values', () => {
  const metrics = parseMetrics(text)
  expect(metrics.get('asr_requests_total')).toHaveLength(3)
  expect(metrics.get('asr_queue_depth')).toEqual([{ labels: {}, value: 0 }])
  expect(metrics.get('asr_wait_bucket')).toEqual([{ labels: { le: '+Inf' }, value: 3 }])
  expect(metrics.get('odd')).toEqual([{ labels: { name: 'a"b\\c,d="e"\n' }, value: NaN }])
  expect(metrics.get('infinite')?.[0]?.value).toBe(-Infinity)
  expect(metrics.has('broken')).toBe(false)
})

it('adds up what has the labels', () => {
  const metrics = parseMetrics(text)
  expect(sumOf(metrics, 'asr_requests_total', { route: '/asr' })).toBe(5)
  expect(sumOf(metrics, 'asr_requests_total')).toBe(12)
  expect(sumOf(metrics, 'asr_requests_total', { route: '/x' })).toBe(0)
  expect(sumOf(metrics, 'none')).toBe(0)
})
