import { spawnSync } from 'node:child_process'
import { Counter, Histogram, Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { FakeClock } from '../fixtures/fake-clock.js'
import { makeBackend } from '../fixtures/member.js'
import { BalancerMetrics } from './balancer-metrics.js'
import { parseMetrics, renderMetrics } from './merge.js'

async function instanceMetrics(instance: string, count: number): Promise<unknown> {
  const registry = new Registry()
  const registers = [registry]
  new Counter({ name: 'asr_tokens_total', help: 'Tokens.', labelNames: ['instance'], registers }).inc(
    { instance },
    count,
  )
  const histogram = new Histogram({
    name: 'asr_batch_size',
    help: 'Batch.',
    labelNames: ['instance'],
    buckets: [1, 2],
    registers,
  })
  histogram.observe({ instance }, 2)
  // As it comes over HTTP.
  return JSON.parse(JSON.stringify(await registry.getMetricsAsJSON()))
}

describe('renderMetrics', () => {
  it('puts the samples of one name together', async () => {
    const text = renderMetrics([
      parseMetrics(await instanceMetrics('a', 3)),
      parseMetrics(await instanceMetrics('b', 4)),
    ])
    expect(text.match(/# TYPE asr_tokens_total counter/g)).toHaveLength(1)
    expect(text).toContain(
      '# TYPE asr_tokens_total counter\nasr_tokens_total{instance="a"} 3\nasr_tokens_total{instance="b"} 4\n',
    )
    expect(text).toContain('asr_batch_size_bucket{le="+Inf",instance="a"} 1')
    expect(text).toContain('asr_batch_size_sum{instance="b"} 2')
  })

  it('keeps one of two equal series and leaves out a name of another type', () => {
    const sample = (value: number) => ({ value, labels: { x: '1' } })
    const text = renderMetrics([
      [{ name: 'm_total', help: 'h', type: 'counter', values: [sample(1), sample(2)] }],
      [{ name: 'm_total', help: 'h', type: 'gauge', values: [{ value: 5, labels: {} }] }],
    ])
    expect(text).toBe('# HELP m_total h\n# TYPE m_total counter\nm_total{x="1"} 1\n')
  })

  it('escapes labels and help', () => {
    const text = renderMetrics([
      [{ name: 'm', help: 'a\nb\\', type: 'gauge', values: [{ value: Number.NaN, labels: { x: '"\n\\' } }] }],
    ])
    expect(text).toBe('# HELP m a\\nb\\\\\n# TYPE m gauge\nm{x="\\"\\n\\\\"} NaN\n')
  })

  it('drops what does not look like a metric', () => {
    expect(parseMetrics('x')).toEqual([])
    expect(parseMetrics([{ name: 'bad name', help: '', type: 'gauge', values: [] }, 5, null])).toEqual([])
  })

  it('passes promtool check metrics', async ({ skip }) => {
    const metrics = new BalancerMetrics(() => ({ queueDepth: 1, backends: [] }), new FakeClock())
    metrics.answered('/asr', 200, 0.2)
    metrics.instanceAnswered(makeBackend({ id: 'a' }), 200)
    metrics.waited(0.1)
    metrics.retried('refused')
    metrics.ejected('a', 'broke')
    const input = renderMetrics([metrics.toJson(), parseMetrics(await instanceMetrics('a', 1))])
    const result = spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8', timeout: 10_000 })
    if (result.error) skip('promtool is not installed')
    expect(result.stderr).toBe('')
    expect(result.status).toBe(0)
  })
})
