import { describe, expect, it } from 'vitest'
import { arrivalTimes, seededRandom } from './arrivals.js'
import { planLoad, type LoadFlags } from './plan.js'

const flags: LoadFlags = {
  concurrency: undefined,
  requests: undefined,
  ratePerSecond: undefined,
  durationMs: undefined,
  arrivals: 'poisson',
}

describe('planLoad', () => {
  it.each<[Partial<LoadFlags>, object]>([
    [{}, { kind: 'closed', concurrency: 4, requests: 100, durationMs: null }],
    [
      { concurrency: 8, requests: 50 },
      { kind: 'closed', concurrency: 8, requests: 50, durationMs: null },
    ],
    [{ durationMs: 5000 }, { kind: 'closed', concurrency: 4, requests: null, durationMs: 5000 }],
    [
      { ratePerSecond: 2.5, durationMs: 5000 },
      { kind: 'open', ratePerSecond: 2.5, durationMs: 5000, arrivals: 'poisson', maxInFlight: 10_000 },
    ],
    [
      { ratePerSecond: 1, durationMs: 1, concurrency: 3 },
      { kind: 'open', maxInFlight: 3 },
    ],
  ])('%j', (given, plan) => {
    expect(planLoad({ ...flags, ...given })).toMatchObject(plan)
  })

  it.each<[Partial<LoadFlags>, RegExp]>([
    [{ ratePerSecond: 5 }, /--duration/],
    [{ ratePerSecond: 0, durationMs: 1 }, /above 0/],
    [{ ratePerSecond: Number.NaN, durationMs: 1 }, /above 0/],
    [{ ratePerSecond: 5, durationMs: 1, requests: 5 }, /exclude/],
    [{ ratePerSecond: Infinity, durationMs: 1 }, /above 0/],
    [{ durationMs: 0 }, /--duration must be longer than 0/],
    [{ concurrency: 0 }, /--concurrency/],
    [{ requests: 1.5 }, /--requests/],
  ])('refuses %j', (given, message) => {
    expect(() => planLoad({ ...flags, ...given })).toThrow(message)
  })
})

describe('arrivalTimes', () => {
  it('constant: in even steps', () => {
    const times = arrivalTimes({ ratePerSecond: 4, durationMs: 1000, arrivals: 'constant' }, Math.random)
    expect([...times]).toEqual([0, 250, 500, 750])
  })

  it('poisson: exponential gaps of the right mean, the same for the same seed', () => {
    const load = { ratePerSecond: 100, durationMs: 100_000, arrivals: 'poisson' } as const
    const times = [...arrivalTimes(load, seededRandom(7))]
    expect([...arrivalTimes(load, seededRandom(7))]).toEqual(times)
    expect([...arrivalTimes(load, seededRandom(8))]).not.toEqual(times)
    // 10,000 expected, with a standard deviation of 100.
    expect(Math.abs(times.length - 10_000)).toBeLessThan(400)
    const gaps = times.map((time, index) => time - (times[index - 1] ?? 0))
    // Of an exponential distribution 1/e of the gaps are longer than the mean.
    const long = gaps.filter((gap) => gap > 10).length / gaps.length
    expect(long).toBeCloseTo(1 / Math.E, 1)
    expect(Math.min(...gaps)).toBeGreaterThan(0)
  })
})
