import { describe, expect, it } from 'vitest'
import {
  confirmTimeoutMs,
  judgeProbe,
  mayEjectOneMore,
  type Finding,
  type HealthRecord,
  type JudgeContext,
} from './judge.js'

const up: HealthRecord = { state: 'up', misses: 0, hits: 5 }
const context: JudgeContext = { fall: 3, rise: 1, madeProgress: false, mayEject: true }

/** Judges one finding after the other; returns the states. */
function states(start: HealthRecord, findings: Finding[], overrides: Partial<JudgeContext> = {}): string[] {
  let record = start
  return findings.map((finding) => {
    record = judgeProbe(record, finding, { ...context, ...overrides }).record
    return record.state
  })
}

const timeout: Finding = { kind: 'timeout' }
const failed: Finding = { kind: 'failed', detail: 'x' }
const good: Finding = { kind: 'good' }

describe('judgeProbe', () => {
  it.each([timeout, failed])('removes on $kind only after `fall` in a row', (finding) => {
    expect(states(up, [finding, finding, good, finding, finding, finding])).toEqual([
      'up',
      'up',
      'up',
      'up',
      'up',
      'ejected',
    ])
  })

  it.each<Finding>([
    { kind: 'refused' },
    { kind: 'identity', detail: 'x' },
    { kind: 'not-ready', detail: 'x' },
  ])('removes at once on $kind, even when half are out already', (finding) => {
    expect(states(up, [finding], { mayEject: false })).toEqual(['ejected'])
  })

  it('never removes an instance that moves, however many probes it misses', () => {
    expect(
      states(
        up,
        Array.from({ length: 20 }, () => timeout),
        { madeProgress: true },
      ).at(-1),
    ).toBe('up')
  })

  it('counts a bad answer even from one that moves', () => {
    expect(states(up, [failed, failed, failed], { madeProgress: true }).at(-1)).toBe('ejected')
  })

  it('keeps it on soft evidence while half of the others are out, and removes it when they are back', () => {
    const kept = judgeProbe({ state: 'up', misses: 7, hits: 0 }, timeout, { ...context, mayEject: false })
    expect(kept.change).toBeUndefined()
    expect(judgeProbe(kept.record, timeout, context).change).toMatchObject({
      to: 'ejected',
      reason: 'probe_timeout',
    })
  })

  it('brings it back after `rise` good ones in a row', () => {
    const out: HealthRecord = { state: 'ejected', misses: 3, hits: 0 }
    expect(states(out, [good, timeout, good, good], { rise: 2 })).toEqual([
      'ejected',
      'ejected',
      'ejected',
      'up',
    ])
  })

  it('tells a change once', () => {
    const gone = judgeProbe(up, { kind: 'refused' }, context)
    expect(gone.change).toEqual({ to: 'ejected', reason: 'refused', detail: 'connection refused' })
    expect(judgeProbe(gone.record, { kind: 'refused' }, context).change).toBeUndefined()
    expect(judgeProbe(up, good, context).change).toBeUndefined()
  })
})

describe('mayEjectOneMore', () => {
  it.each([
    [0, 1, false],
    [0, 2, true],
    [1, 2, false],
    [0, 3, true],
    [1, 3, false],
    [1, 4, true],
    [2, 4, false],
  ])('%i of %i out: %s', (ejected, members, may) => {
    expect(mayEjectOneMore(ejected, members)).toBe(may)
  })
})

describe('confirmTimeoutMs', () => {
  it.each([
    [2_000, 2_000, 3],
    [2_000, 1_000, 3],
    [1_000, 1_000, 2],
    [5_000, 2_000, 5],
  ])('finds a hang within interval × fall: %i ms, %i ms, %i', (intervalMs, timeoutMs, fall) => {
    const worstMs = intervalMs + timeoutMs + (fall - 1) * confirmTimeoutMs(intervalMs, timeoutMs, fall)
    expect(worstMs).toBeLessThanOrEqual(
      Math.max(intervalMs * fall, intervalMs + timeoutMs + (fall - 1) * 250),
    )
  })
})
