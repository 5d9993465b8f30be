import { arrivalTimes } from './arrivals.js'
import type { Clip } from './clips.js'
import type { LoadPlan } from './plan.js'
import type { Sample, Sender } from './sender.js'

export interface LoadWorld {
  clips: readonly Clip[]
  sender: Sender
  nowMs: () => number
  /** Resolves early when the signal aborts. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>
  random: () => number
  signal: AbortSignal
  onSample: (sample: Sample) => void
}

/** Puts the load on, and returns when the last request has ended. The clips take turns. */
export async function runLoad(plan: LoadPlan, world: LoadWorld): Promise<void> {
  await (plan.kind === 'closed' ? runClosed(plan, world) : runOpen(plan, world))
}

async function runClosed(plan: Extract<LoadPlan, { kind: 'closed' }>, world: LoadWorld): Promise<void> {
  const { sender, nowMs, signal, onSample } = world
  const endMs = plan.durationMs === null ? Infinity : nowMs() + plan.durationMs
  const limit = plan.requests ?? Infinity
  let started = 0
  const client = async (): Promise<void> => {
    while (started < limit && nowMs() < endMs && !signal.aborted) {
      onSample(await sender.send(clipAt(world, started++), nowMs(), signal))
    }
  }
  await Promise.all(Array.from({ length: Math.min(plan.concurrency, limit) }, client))
}

async function runOpen(plan: Extract<LoadPlan, { kind: 'open' }>, world: LoadWorld): Promise<void> {
  const { sender, nowMs, sleep, signal, onSample } = world
  const startMs = nowMs()
  const running = new Set<Promise<void>>()
  let index = 0
  for (const at of arrivalTimes(plan, world.random)) {
    const dueMs = startMs + at
    while (nowMs() < dueMs && !signal.aborted) await sleep(dueMs - nowMs(), signal)
    while (running.size >= plan.maxInFlight && !signal.aborted) await Promise.race(running)
    if (signal.aborted) break
    const one: Promise<void> = sender.send(clipAt(world, index++), dueMs, signal).then((sample) => {
      running.delete(one)
      onSample(sample)
    })
    running.add(one)
  }
  await Promise.all(running)
}

function clipAt({ clips }: LoadWorld, index: number): Clip {
  return clips[index % clips.length] as Clip
}
