import { describe, expect, it } from 'vitest'
import { seededRandom } from '../fixtures/random.js'
import { KeyLimiter, type Entry } from './key-limiter.js'

function enter(limiter: KeyLimiter, nowMs = 0): () => void {
  const entry = limiter.enter(nowMs)
  if (entry.kind === 'refused') throw new Error(entry.reason)
  return entry.leave
}

describe('KeyLimiter', () => {
  it('refuses what is too much at once, at no cost for the rate', () => {
    const limiter = new KeyLimiter({ concurrency: 1, requestsPerMinute: 2 })
    const leave = enter(limiter)
    for (let attempt = 0; attempt < 5; attempt += 1) {
      expect(limiter.enter(0)).toMatchObject({ kind: 'refused', reason: 'concurrency', limit: 1 })
    }
    leave()
    enter(limiter)()
    expect(limiter.enter(0)).toEqual({ kind: 'refused', reason: 'rate', limit: 2, waitMs: 30_000 })
    enter(limiter, 30_000)
  })

  it('counts each request out once', () => {
    const limiter = new KeyLimiter({ concurrency: 2 })
    const [first, second] = [enter(limiter), enter(limiter)]
    first()
    first()
    expect(limiter.inFlight).toBe(1)
    second()
    expect(limiter.inFlight).toBe(0)
  })

  it('keeps the count of what is in flight when the limits change', () => {
    const limiter = new KeyLimiter({ concurrency: 3 })
    const leaves = [enter(limiter), enter(limiter), enter(limiter)]
    limiter.setLimits({ concurrency: 1 })
    leaves[0]?.()
    leaves[1]?.()
    expect(limiter.enter(0).kind).toBe('refused')
    leaves[2]?.()
    enter(limiter)()
    limiter.setLimits({})
    expect(limiter.inFlight).toBe(0)
  })

  it('ends at zero and is never above its limit, whatever comes in whatever order', () => {
    const random = seededRandom(11)
    const limiter = new KeyLimiter({ concurrency: 5, requestsPerMinute: 600 })
    const open: (() => void)[] = []
    for (let step = 0; step < 20_000; step += 1) {
      if (random() < 0.5) {
        const entry: Entry = limiter.enter(step * 10)
        if (entry.kind === 'entered') open.push(entry.leave)
      } else if (open.length > 0) {
        const [leave] = open.splice(Math.floor(random() * open.length), 1)
        leave?.()
        if (random() < 0.3) leave?.()
      }
      expect(limiter.inFlight).toBe(open.length)
      expect(open.length).toBeLessThanOrEqual(5)
    }
    for (const leave of open) leave()
    expect(limiter.inFlight).toBe(0)
  })
})
