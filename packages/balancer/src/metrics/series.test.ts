import { Counter, Histogram, Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../fixtures/random.js'
import { parseMetrics, renderMetrics } from './merge.js'
import { CounterSeries, HistogramSeries } from './series.js'

async function renderRegistry(registry: Registry): Promise<string> {
  return renderMetrics([parseMetrics(await registry.getMetricsAsJSON())])
}

describe('series', () => {
  it('counts as prom-client does', async () => {
    const registry = new Registry()
    const reference = new Counter({
      name: 'c_total',
      help: 'h',
      labelNames: ['a', 'b'],
      registers: [registry],
    })
    const ours = new CounterSeries('c_total', 'h', ['a', 'b'])
    for (const [a, b] of [
      ['x', '1'],
      ['y', '1'],
      ['x', '1'],
      ['x', '2'],
    ] as const) {
      reference.inc({ a, b })
      ours.increase(a, b)
    }
    expect(renderMetrics([[ours.toJson()]])).toBe(await renderRegistry(registry))
  })

  it.each([undefined, 'route'])('fills buckets as prom-client does, label %s', async (labelName) => {
    const registry = new Registry()
    const buckets = [0.1, 0.5, 1]
    const labelNames = labelName ? [labelName] : []
    const reference = new Histogram({
      name: 'h_seconds',
      help: 'h',
      labelNames,
      buckets,
      registers: [registry],
    })
    const ours = new HistogramSeries('h_seconds', 'h', buckets, labelName)
    const random = seededRandom(1)
    for (const value of [0.1, 0.5, 1, 0, 5, ...Array.from({ length: 50 }, () => random() * 2)]) {
      const label = labelName && value > 1 ? '/b' : '/a'
      if (labelName) reference.observe({ [labelName]: label }, value)
      else reference.observe(value)
      ours.observe(value, labelName ? label : '')
    }
    expect(renderMetrics([[ours.toJson()]])).toBe(await renderRegistry(registry))
  })
})
