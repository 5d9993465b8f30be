import { describe, expect, it } from 'vitest'
import { seededRandom } from '../fixtures/random.js'
import type { Candidate, Policy } from './index.js'
import { policies } from './index.js'
import { slowStartShare } from './slow-start.js'

function candidates(...weights: number[]): Candidate[] {
  return weights.map((weight) => ({ weight, inFlight: 0, currentWeight: 0 }))
}

/** Picks `count` times; returns the indexes. */
function run(policy: Policy, list: Candidate[], count: number, seed = 1): number[] {
  const random = seededRandom(seed)
  return Array.from({ length: count }, () => {
    const choice = policy(list, random)
    choice.currentWeights?.forEach((weight, index) => {
      ;(list[index] as Candidate).currentWeight = weight
    })
    return choice.index
  })
}

function tally(indexes: number[], length: number): number[] {
  return Array.from({ length }, (_, index) => indexes.filter((each) => each === index).length)
}

describe('weighted-round-robin', () => {
  const policy = policies['weighted-round-robin']

  it('gives a a b a c a a for 5, 1, 1, again and again', () => {
    const names = run(policy, candidates(5, 1, 1), 14).map((index) => 'abc'[index])
    expect(names.join('')).toBe('aabacaaaabacaa')
  })

  it('keeps 3/3/2/2 exactly over 1,000 picks', () => {
    expect(tally(run(policy, candidates(3, 3, 2, 2), 1_000), 4)).toEqual([300, 300, 200, 200])
  })

  it('never lets one of equals wait longer than a round', () => {
    const indexes = run(policy, candidates(1, 1, 1, 1), 100)
    for (let start = 0; start + 4 <= indexes.length; start += 4) {
      expect(new Set(indexes.slice(start, start + 4)).size).toBe(4)
    }
  })
})

describe('least-outstanding', () => {
  const policy = policies['least-outstanding']

  it('takes the one with the least work for its weight', () => {
    const list: Candidate[] = [
      { weight: 1, inFlight: 1, currentWeight: 0 },
      { weight: 4, inFlight: 4, currentWeight: 0 },
      { weight: 1, inFlight: 2, currentWeight: 0 },
    ]
    expect(run(policy, list, 1)).toEqual([1])
  })

  it('breaks ties evenly', () => {
    for (const count of tally(run(policy, candidates(1, 1, 1), 3_000), 3)) {
      expect(count).toBeGreaterThan(900)
      expect(count).toBeLessThan(1_100)
    }
  })
})

describe('power-of-two', () => {
  const policy = policies['power-of-two']

  it('takes the only one', () => {
    expect(run(policy, candidates(1), 5)).toEqual([0, 0, 0, 0, 0])
  })

  it('never takes the busiest, which loses each comparison', () => {
    const list = candidates(1, 1, 1)
    ;(list[1] as Candidate).inFlight = 9
    expect(tally(run(policy, list, 500), 3)[1]).toBe(0)
  })

  it('draws two different ones by weight', () => {
    const [light, heavy] = tally(run(policy, candidates(1, 9, 1), 5_000), 3) as [number, number]
    expect(heavy).toBeGreaterThan(4 * light)
  })

  it('stays within the list when random is just below 1', () => {
    expect(policy(candidates(1, 1), () => 1 - Number.EPSILON).index).toBeLessThan(2)
  })
})

describe('slow start', () => {
  it.each([
    [0, 0.1],
    [500, 0.1],
    [5_000, 0.5],
    [10_000, 1],
    [20_000, 1],
  ])('%i ms after the return the share is %d', (sinceMs, share) => {
    expect(slowStartShare(sinceMs, 10_000)).toBe(share)
  })
})
