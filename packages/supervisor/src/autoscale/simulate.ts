import { decide, initialAutoscaleState } from './decide.js'
import type { AutoscaleSettings } from './decide.js'

/** A rule that looks at the cluster once a second and says how many instances there should be. */
export type ScalingRule = (seen: SimulatedView) => number

export interface SimulatedView {
  atMs: number
  /** Ready, and starting. */
  instances: number
  inFlight: number
  queued: number
  /** Share of the slots in use, which is the CPU's use where a slot keeps its cores busy. */
  utilization: number
}

export interface Simulation {
  /** Requests per second at a time. */
  load: (seconds: number) => number
  durationSeconds: number
  /** Work of one request in a slot. */
  serviceSeconds: number
  slotsPerInstance: number
  /** From the decision to the first request. */
  startSeconds: number
  initial: number
  rule: ScalingRule
}

export interface SimulationResult {
  instanceSeconds: number
  requests: number
  meanWaitSeconds: number
  p99WaitSeconds: number
  /** Changes of the number of instances. */
  changes: number
  /** Changes in the other direction than the one before: what flapping is. */
  reversals: number
  peak: number
}

const stepSeconds = 0.1

/**
 * A cluster with one queue, in steps of 100 ms, with evenly spaced arrivals and equal requests: no randomness, so that
 * rules can be compared. Instances take `startSeconds` to be ready and finish their requests before they go.
 */
export function simulate(simulation: Simulation): SimulationResult {
  const { slotsPerInstance, serviceSeconds } = simulation
  let ready = simulation.initial
  let starting: number[] = []
  let running: number[] = []
  const queue: number[] = []
  const waits: number[] = []
  let owed = 0
  let instanceSeconds = 0
  let changes = 0
  let reversals = 0
  let direction = 0
  let peak = simulation.initial
  let target = simulation.initial
  const steps = Math.round(simulation.durationSeconds / stepSeconds)
  for (let step = 0; step < steps || queue.length > 0; step += 1) {
    const now = step * stepSeconds
    const isLoaded = step < steps
    owed += isLoaded ? simulation.load(now) * stepSeconds : 0
    for (; owed >= 1; owed -= 1) queue.push(now)
    ready += starting.filter((at) => at <= now).length
    starting = starting.filter((at) => at > now)
    running = running.filter((end) => end > now)
    while (queue.length > 0 && running.length < ready * slotsPerInstance) {
      waits.push(now - (queue.shift() as number))
      running.push(now + serviceSeconds)
    }
    instanceSeconds += (ready + starting.length) * stepSeconds
    if (step % Math.round(1 / stepSeconds) !== 0) continue
    const instances = ready + starting.length
    const slots = Math.max(1, ready * slotsPerInstance)
    const next = simulation.rule({
      atMs: now * 1_000,
      instances,
      inFlight: running.length,
      queued: queue.length,
      utilization: Math.min(1, running.length / slots),
    })
    if (next !== target) {
      const now = Math.sign(next - target)
      changes += 1
      if (direction !== 0 && now !== direction) reversals += 1
      direction = now
    }
    target = next
    for (let count = instances; count < next; count += 1) starting.push(now + simulation.startSeconds)
    // What still starts goes first: nobody waits for it.
    const surplus = Math.max(0, instances - next)
    starting = starting.slice(0, Math.max(0, starting.length - surplus))
    ready = Math.min(ready, Math.max(next, 0))
    peak = Math.max(peak, next)
  }
  const sorted = waits.toSorted((a, b) => a - b)
  return {
    instanceSeconds: Math.round(instanceSeconds),
    requests: waits.length,
    meanWaitSeconds: waits.reduce((sum, wait) => sum + wait, 0) / Math.max(1, waits.length),
    p99WaitSeconds: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
    changes,
    reversals,
    peak,
  }
}

export function fixedRule(count: number): ScalingRule {
  return () => count
}

/** The usual rule of the cloud: one more above 80 % of CPU, one less below 40 %, and a pause of a minute after each. */
export function cpuRule(min: number, max: number): ScalingRule {
  let changedAt = Number.NEGATIVE_INFINITY
  return ({ atMs, instances, utilization }) => {
    if (atMs - changedAt < 60_000) return instances
    const wanted = utilization > 0.8 ? instances + 1 : utilization < 0.4 ? instances - 1 : instances
    const next = Math.max(min, Math.min(max, wanted))
    if (next !== instances) changedAt = atMs
    return next
  }
}

/** What the supervisor does. */
export function ownRule(settings: AutoscaleSettings, slotsPerInstance: number): ScalingRule {
  let state = initialAutoscaleState
  return ({ atMs, instances, inFlight, queued }) => {
    const seen = {
      at: atMs,
      instances,
      slotsPerInstance,
      inFlight,
      queued,
      cpu: null,
      gpu: null,
      gpuRoom: null,
    }
    const decision = decide(state, seen, settings)
    state = decision.state
    return decision.target
  }
}

/** Load shapes, in requests per second at a second. */
export const loadShapes: Readonly<Record<string, (seconds: number) => number>> = {
  step: (s) => (s < 300 ? 1 : s < 1_200 ? 6 : 1),
  ramp: (s) => 1 + (6 * Math.min(s, 900)) / 900,
  burst: (s) => (s % 600 < 30 ? 10 : 1),
  sine: (s) => 3.5 + 3 * Math.sin((2 * Math.PI * s) / 900),
}
