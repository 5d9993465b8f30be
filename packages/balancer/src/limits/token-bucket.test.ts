import { describe, expect, it } from 'vitest'
import { seededRandom } from '../fixtures/random.js'
import { takeToken, type TokenBucket } from './token-bucket.js'

describe('takeToken', () => {
  it('gives a minute at once, then one after the other', () => {
    let bucket: TokenBucket = { tokens: 60, atMs: 0 }
    for (let taken = 0; taken < 60; taken += 1) {
      const verdict = takeToken(bucket, 60, 0)
      expect(verdict.waitMs).toBe(0)
      bucket = verdict.bucket
    }
    expect(takeToken(bucket, 60, 0)).toEqual({ bucket: { tokens: 0, atMs: 0 }, waitMs: 1_000 })
    expect(takeToken(bucket, 60, 750).waitMs).toBe(250)
    expect(takeToken(bucket, 60, 1_000)).toEqual({ bucket: { tokens: 0, atMs: 1_000 }, waitMs: 0 })
  })

  it('keeps no more than a minute, and less after the rate was lowered', () => {
    expect(takeToken({ tokens: 0, atMs: 0 }, 60, 3_600_000).bucket.tokens).toBe(59)
    expect(takeToken({ tokens: 500, atMs: 0 }, 10, 0).bucket.tokens).toBe(9)
  })

  it('loses nothing to refusals, and gains nothing from a clock that stands', () => {
    const refused = takeToken({ tokens: 0.5, atMs: 100 }, 1, 100)
    expect(refused).toEqual({ bucket: { tokens: 0.5, atMs: 100 }, waitMs: 30_000 })
  })

  it('never gives more than a minute and what the time brought', () => {
    const random = seededRandom(7)
    for (let round = 0; round < 200; round += 1) {
      const perMinute = 1 + Math.floor(random() * 600)
      let bucket: TokenBucket = { tokens: perMinute, atMs: 0 }
      let [nowMs, taken] = [0, 0]
      for (let step = 0; step < 300; step += 1) {
        nowMs += random() < 0.5 ? 0 : random() * 2_000
        const verdict = takeToken(bucket, perMinute, nowMs)
        bucket = verdict.bucket
        if (verdict.waitMs === 0) taken += 1
        // Whoever waits as long as told gets one.
        else expect(takeToken(bucket, perMinute, nowMs + verdict.waitMs + 1e-6).waitMs).toBe(0)
      }
      expect(taken).toBeLessThanOrEqual(perMinute + (nowMs * perMinute) / 60_000 + 1e-6)
    }
  })
})
