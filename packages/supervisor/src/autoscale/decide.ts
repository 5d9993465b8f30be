/** What one look at a group shows. */
export interface Observation {
  /** Monotonic milliseconds. */
  at: number
  /** Ready instances and those on their way. */
  instances: number
  /** Slots of one instance. */
  slotsPerInstance: number
  /** Requests being worked on. */
  inFlight: number
  /** Requests waiting for a slot. */
  queued: number
  /** Processor use of the instances as a share of the cores given to them; null if unknown. */
  cpu: number | null
  /** Use of the busiest GPU they are on; null without. */
  gpu: number | null
  /** How many more instances the free memory of the GPUs can take; null for no such limit. */
  gpuRoom: number | null
}

export interface AutoscaleSettings {
  min: number
  max: number
  targetUtilization: number
  signals: readonly ('queue' | 'cpu' | 'gpu')[]
  upAfterMs: number
  downAfterMs: number
}

interface Wish {
  at: number
  instances: number
}

/** What was wanted lately, oldest first. */
export interface AutoscaleState {
  readonly wishes: readonly Wish[]
}

export interface Decision {
  state: AutoscaleState
  /** How many instances there should be. */
  target: number
  reason: string
}

export const initialAutoscaleState: AutoscaleState = { wishes: [] }

/** After a longer time without a look nothing is known of the window, and it begins anew. */
export const longestGapMs = 5_000
/** A ratio of use to target this near to 1 asks for no change. */
const tolerance = 0.1

/**
 * How many instances a group should have. Each look yields a wish; the target follows it upwards only as far as every
 * wish of the last `upAfterMs` went, and downwards only as far as every wish of the last `downAfterMs` did, so that
 * neither a spike nor a pause moves it. That is the stabilization of Kubernetes' horizontal pod autoscaler, in both
 * directions. The wish counts requests, not use: it can ask for many instances at once, and is not blind above 100 %
 * (Knative's autoscaler works like that). A step is at most a doubling. Pure.
 */
export function decide(state: AutoscaleState, seen: Observation, settings: AutoscaleSettings): Decision {
  const wish = { at: seen.at, instances: wishFor(seen, settings) }
  const oldest = seen.at - Math.max(settings.upAfterMs, settings.downAfterMs)
  // One wish from before the window stays, to know that the window is covered.
  const last = state.wishes.at(-1)
  const known = last && seen.at - last.at <= longestGapMs ? state.wishes : []
  const firstInside = known.findIndex(({ at }) => at >= oldest)
  const kept = firstInside < 0 ? known.slice(-1) : known.slice(Math.max(0, firstInside - 1))
  const wishes = [...kept, wish]
  const up = Math.min(...within(wishes, seen.at, settings.upAfterMs))
  const down = Math.max(...within(wishes, seen.at, settings.downAfterMs))
  const { instances } = seen
  let target = instances
  if (up > instances && isCovered(wishes, seen.at, settings.upAfterMs))
    target = Math.min(up, instances * 2 || 1)
  else if (down < instances && isCovered(wishes, seen.at, settings.downAfterMs)) target = down
  if (seen.gpuRoom !== null) target = Math.min(target, instances + seen.gpuRoom)
  target = Math.max(settings.min, Math.min(settings.max, target))
  return { state: { wishes }, target, reason: describe(seen) }
}

function wishFor(seen: Observation, settings: AutoscaleSettings): number {
  const wishes: number[] = []
  const byUse = (use: number): number => {
    const ratio = use / settings.targetUtilization
    return Math.abs(ratio - 1) <= tolerance ? seen.instances : Math.ceil(seen.instances * ratio)
  }
  if (settings.signals.includes('queue')) {
    const demand = seen.inFlight + seen.queued
    const exact = demand / (seen.slotsPerInstance * settings.targetUtilization)
    const ratio = exact / Math.max(1, seen.instances)
    wishes.push(seen.queued === 0 && Math.abs(ratio - 1) <= tolerance ? seen.instances : Math.ceil(exact))
  }
  if (settings.signals.includes('cpu') && seen.cpu !== null) wishes.push(byUse(seen.cpu))
  if (settings.signals.includes('gpu') && seen.gpu !== null) wishes.push(byUse(seen.gpu))
  const wanted = wishes.length > 0 ? Math.max(...wishes) : seen.instances
  return Math.max(settings.min, Math.min(settings.max, wanted))
}

function within(wishes: readonly Wish[], now: number, windowMs: number): number[] {
  return wishes.filter(({ at }) => at >= now - windowMs).map(({ instances }) => instances)
}

function isCovered(wishes: readonly Wish[], now: number, windowMs: number): boolean {
  return (wishes[0]?.at ?? now) <= now - windowMs
}

function describe({ inFlight, queued, instances, slotsPerInstance, cpu, gpu }: Observation): string {
  const percent = (value: number): string => `${Math.round(value * 100)} %`
  return [
    `${inFlight} in flight and ${queued} queued for ${instances * slotsPerInstance} slots`,
    ...(cpu === null ? [] : [`CPU ${percent(cpu)}`]),
    ...(gpu === null ? [] : [`GPU ${percent(gpu)}`]),
  ].join(', ')
}
