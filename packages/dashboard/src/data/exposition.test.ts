import { expect, test } from 'vitest'
import { parseExposition } from './exposition.js'

test('reads names, labels with escapes, and values', () => {
  const text = [
    '# HELP asr_queue_depth Requests that wait.',
    '# TYPE asr_queue_depth gauge',
    'asr_queue_depth 3',
    'asr_requests_total{route="/asr",code="200"} 1.5e+3',
    'odd{text="a \\"b\\" {c} \\\\ \\n"} -Inf',
    'asr_batch_size_bucket{le="+Inf"} +Inf',
    '',
  ].join('\n')
  expect(parseExposition(text)).toEqual([
    { name: 'asr_queue_depth', labels: {}, value: 3 },
    { name: 'asr_requests_total', labels: { route: '/asr', code: '200' }, value: 1500 },
    { name: 'odd', labels: { text: 'a "b" {c} \\ \n' }, value: Number.NEGATIVE_INFINITY },
    { name: 'asr_batch_size_bucket', labels: { le: '+Inf' }, value: Number.POSITIVE_INFINITY },
  ])
})
