import { describe, expect, it } from 'vitest'
import { decide, initialAutoscaleState } from './decide.js'
import type { AutoscaleSettings, AutoscaleState, Observation } from './decide.js'
import { cpuRule, fixedRule, loadShapes, ownRule, simulate } from './simulate.js'
import type { ScalingRule, SimulationResult } from './simulate.js'

const settings: AutoscaleSettings = {
  min: 2,
  max: 8,
  targetUtilization: 0.8,
  signals: ['queue', 'cpu', 'gpu'],
  upAfterMs: 10_000,
  downAfterMs: 300_000,
}

const quiet: Observation = {
  at: 0,
  instances: 2,
  slotsPerInstance: 4,
  inFlight: 0,
  queued: 0,
  cpu: null,
  gpu: null,
  gpuRoom: null,
}

/** Shows the same thing once a second and follows what is decided; returns the targets. */
function watch(
  seconds: number,
  seen: Partial<Observation>,
  state: AutoscaleState = initialAutoscaleState,
  from = 0,
) {
  const targets: number[] = []
  let { instances } = { ...quiet, ...seen }
  for (let second = 0; second < seconds; second += 1) {
    const decision = decide(state, { ...quiet, ...seen, instances, at: (from + second) * 1_000 }, settings)
    state = decision.state
    instances = decision.target
    targets.push(instances)
  }
  return { targets, state, last: targets.at(-1) }
}

describe('the decision', () => {
  it('follows a load that lasts, after upAfter and not before', () => {
    const { targets } = watch(14, { inFlight: 8, queued: 10 })
    expect(targets.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 2))
    // 18 requests for slots that should be 80 % busy: 18 / (4 · 0.8) = 5.6, in steps of at most a doubling.
    expect(targets.slice(10)).toEqual([4, 6, 6, 6])
  })

  it('is not moved by a spike, nor by a pause', () => {
    const before = watch(20, { inFlight: 4 })
    const spike = watch(5, { inFlight: 8, queued: 50 }, before.state, 20)
    const after = watch(30, { inFlight: 4 }, spike.state, 25)
    expect(new Set([...before.targets, ...spike.targets, ...after.targets])).toEqual(new Set([2]))
    const busy = watch(600, { instances: 5, inFlight: 16 })
    const pause = watch(250, { instances: 5, inFlight: 0 }, busy.state, 600)
    expect(pause.last).toBe(5)
  })

  it('knows nothing of a time in which it did not look', () => {
    const busy = watch(400, { instances: 6, inFlight: 18 })
    // An hour later one quiet look must not be taken for a quiet hour.
    expect(watch(250, { instances: 6, inFlight: 0 }, busy.state, 4_000).last).toBe(6)
  })

  it('goes down as far as the load was low all the time', () => {
    const busy = watch(400, { instances: 6, inFlight: 18 })
    expect(busy.last).toBe(6)
    expect(watch(302, { instances: 6, inFlight: 9 }, busy.state, 400).last).toBe(3)
    expect(watch(302, { instances: 6, inFlight: 0 }, busy.state, 400).last).toBe(settings.min)
  })

  it('never leaves min and max', () => {
    expect(watch(60, { inFlight: 32, queued: 1_000 }).last).toBe(settings.max)
    expect(watch(400, { instances: 1 }).last).toBe(settings.min)
  })

  it.each([['cpu' as const], ['gpu' as const]])('looks at the %s where slots say nothing', (signal) => {
    expect(watch(12, { inFlight: 1, [signal]: 1 }).last).toBe(3)
    // Within a tenth of the target nothing moves.
    expect(watch(60, { inFlight: 1, [signal]: 0.85 }).last).toBe(2)
  })

  it('does not ask for what does not fit into the GPUs', () => {
    expect(watch(12, { inFlight: 8, queued: 50, gpuRoom: 1 }).targets.at(10)).toBe(3)
    expect(watch(60, { inFlight: 8, queued: 50, gpuRoom: 0 }).last).toBe(2)
  })
})

describe('in the simulation', () => {
  const run = (shape: string, rule: ScalingRule): SimulationResult =>
    simulate({
      load: loadShapes[shape] as (seconds: number) => number,
      durationSeconds: 1_800,
      serviceSeconds: 4,
      slotsPerInstance: 4,
      startSeconds: 20,
      initial: 2,
      rule,
    })

  it.each([
    ['step', 1],
    ['ramp', 0],
    ['burst', 5],
    ['sine', 4],
  ])(
    'of a %s it waits less than the CPU rule, takes less than a fixed size, and does not flap',
    (shape, turns) => {
      const own = run(shape, ownRule(settings, 4))
      const cpu = run(shape, cpuRule(settings.min, settings.max))
      const fixed = run(shape, fixedRule(settings.max))
      expect(own.requests).toBe(fixed.requests)
      expect(own.meanWaitSeconds).toBeLessThan(cpu.meanWaitSeconds + 0.01)
      expect(own.instanceSeconds).toBeLessThan(fixed.instanceSeconds)
      // It turns round no more often than the load itself does.
      expect(own.reversals).toBeLessThanOrEqual(turns)
    },
  )
})
