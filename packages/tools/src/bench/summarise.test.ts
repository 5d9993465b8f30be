import { describe, expect, it } from 'vitest'
import { clientLimit } from './client-meter.js'
import { formatComparison, parseResult } from './compare.js'
import { formatResult } from './format-result.js'
import type { Sample } from './sender.js'
import { quantile, summariseLatencies, summariseRun, type Run } from './summarise.js'

const idle = { cpuShare: 0.1, loopBusy: 0.1, loopDelayP99Ms: 1 }

function sample(change: Partial<Sample> & { latencyMs?: number }): Sample {
  const { latencyMs = 100, ...rest } = change
  return {
    clip: 'a.wav',
    dueMs: 0,
    sentMs: 0,
    endedMs: latencyMs,
    failure: null,
    instance: 'default-0',
    fromCache: false,
    audioSeconds: 2,
    textDigest: 'x',
    ...rest,
  }
}

function run(samples: Sample[], change: Partial<Run> = {}): Run {
  return {
    at: new Date(0),
    url: 'http://u',
    audioPath: 'clips',
    clips: 1,
    plan: { kind: 'closed', concurrency: 2, requests: samples.length, durationMs: null },
    interrupted: false,
    wallMs: 10_000,
    samples,
    client: idle,
    ...change,
  }
}

describe('quantile', () => {
  it('is exact, by nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, i) => i + 1)
    expect([0, 0.5, 0.9, 0.99, 1].map((q) => quantile(values, q))).toEqual([1, 50, 90, 99, 100])
    expect(quantile([7], 0.99)).toBe(7)
    expect(quantile([], 0.5)).toBeNaN()
  })

  it('does not mind the order', () => {
    expect(summariseLatencies([30, 10, 20])).toEqual({ mean: 20, p50: 20, p90: 30, p99: 30, max: 30 })
    expect(summariseLatencies([])).toBeNull()
  })
})

describe('summariseRun', () => {
  it('counts, and takes only answers for latency and throughput', () => {
    const result = summariseRun(
      run([
        sample({ latencyMs: 100 }),
        sample({ latencyMs: 300, instance: 'default-10' }),
        sample({ latencyMs: 200, instance: 'default-2', dueMs: -50, sentMs: 0 }),
        sample({ failure: 'queue_full', instance: null, latencyMs: 1 }),
        sample({ failure: 'queue_full', instance: null, latencyMs: 1 }),
        sample({ failure: 'timeout', instance: null }),
        sample({ failure: 'interrupted', instance: null }),
      ]),
    )
    expect(result).toMatchObject({
      requests: 6,
      succeeded: 3,
      successRate: 0.5,
      failures: { queue_full: 2, timeout: 1 },
      requestsPerSecond: 0.3,
      audioSeconds: 6,
      audioSecondsPerSecond: 0.6,
      latencyMs: { p50: 250, max: 300 },
      differingTexts: [],
    })
    expect(result.instances.map(({ instance }) => instance)).toEqual(['default-0', 'default-2', 'default-10'])
    expect(result.instances[0]?.share).toBeCloseTo(1 / 3)
    const text = formatResult(result).join('\n')
    expect(text).toContain('6 in 10.0 s: 3 succeeded (50.00 %), 3 failed')
    expect(text).toContain('2 × queue_full')
    expect(text).toMatch(/^default-10 +1 +33\.3 % +300 ms/m)
  })

  it('tells of answers that are not the same each time', () => {
    const result = summariseRun(run([sample({}), sample({ textDigest: 'y' }), sample({ clip: 'b.wav' })]))
    expect(result.differingTexts).toEqual(['a.wav'])
    expect(formatResult(result).join('\n')).toContain('not the same each time: a.wav')
  })

  it('survives a run without any answer', () => {
    const result = summariseRun(run([]))
    expect(result).toMatchObject({ successRate: 0, latencyMs: null, instances: [] })
    expect(formatResult(result).join('\n')).toContain('nothing was answered')
    expect(() => parseResult(JSON.stringify(result), 'r')).not.toThrow()
  })

  it('does not call a wait that was asked for lag of the client', () => {
    const late = [
      sample({ dueMs: 0, sentMs: 500, latencyMs: 600 }),
      sample({ dueMs: 0, sentMs: 500, latencyMs: 600 }),
    ]
    const plan = {
      kind: 'open',
      ratePerSecond: 1,
      durationMs: 1,
      arrivals: 'constant',
      maxInFlight: 1,
    } as const
    expect(summariseRun(run(late, { plan })).client.limit).toBeNull()
    expect(summariseRun(run(late, { plan: { ...plan, maxInFlight: 10 } })).client.limit).toMatch(
      /500 ms late/,
    )
  })
})

describe('clientLimit', () => {
  it('tells a busy client from one that did not get a processor', () => {
    expect(clientLimit(idle, 2)).toBeNull()
    expect(clientLimit({ ...idle, loopBusy: 0.95 }, 2)).toMatch(/was the limit: it was busy 95 %/)
    expect(clientLimit({ ...idle, loopDelayP99Ms: 80 }, 2)).toMatch(
      /wait for a processor: it was up to 80 ms/,
    )
  })
})

describe('comparison', () => {
  const before = summariseRun(run([sample({ latencyMs: 100 }), sample({ latencyMs: 100 })]))

  it('shows the change, and what was not the same', () => {
    const now = summariseRun(
      run([sample({ latencyMs: 150 })], {
        audioPath: 'other',
        plan: { ...before.plan, concurrency: 9 } as Run['plan'],
      }),
    )
    const text = formatComparison(parseResult(JSON.stringify(before), 'b'), now).join('\n')
    expect(text).toMatch(/p50 ms +100\.0 +150\.0 +\+50\.0 %/)
    expect(text).toMatch(/requests\/s +0\.2 +0\.1 +-50\.0 %/)
    expect(text).toMatch(/the load: closed loop, 2 at once/)
    expect(text).toMatch(/the recordings: 1 of clips/)
  })

  it('refuses what is no result', () => {
    for (const text of ['', '{}', '{"version":2}'])
      expect(() => parseResult(text, 'f.json')).toThrow(/f\.json is no result/)
  })
})
