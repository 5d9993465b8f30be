import { setMaxListeners } from 'node:events'
import { formatSeconds } from '../common/format.js'
import type { LiveLine } from '../common/output.js'
import { ToolError } from '../common/tool-error.js'
import { startClientMeter } from './client-meter.js'
import type { Clip } from './clips.js'
import type { LoadPlan } from './plan.js'
import { runLoad, type LoadWorld } from './run-load.js'
import type { Sample, Sender } from './sender.js'
import { latencyOf, quantile, summariseRun, type BenchResult } from './summarise.js'

export interface BenchOptions {
  url: string
  audioPath: string
  clips: readonly Clip[]
  plan: LoadPlan
  /** Sent first and not counted: connections, caches, just-in-time code. */
  warmUpRequests: number
}

export interface BenchWorld {
  sender: Sender
  liveLine: LiveLine
  nowMs: () => number
  now: () => Date
  sleep: LoadWorld['sleep']
  random: () => number
  /** Ends the run early; what was measured so far is reported. */
  signal: AbortSignal
}

const liveIntervalMs = 500

/** Warms up, puts the load on and measures. Throws ToolError when the warm-up shows that nothing can be measured. */
export async function bench(options: BenchOptions, world: BenchWorld): Promise<BenchResult> {
  const { plan, clips } = options
  // Every request in flight listens to it.
  setMaxListeners(0, world.signal)
  await warmUp(options, world)
  const samples: Sample[] = []
  const stopLive = startLive(world, samples)
  const meter = startClientMeter()
  const startedAtMs = world.nowMs()
  await runLoad(plan, {
    ...world,
    clips,
    onSample: (sample) => void samples.push(sample),
  })
  const wallMs = world.nowMs() - startedAtMs
  const client = meter.stop()
  stopLive()
  return summariseRun({
    at: world.now(),
    url: options.url,
    audioPath: options.audioPath,
    clips: clips.length,
    plan,
    interrupted: world.signal.aborted,
    wallMs,
    samples,
    client,
  })
}

async function warmUp({ plan, clips, warmUpRequests, url }: BenchOptions, world: BenchWorld): Promise<void> {
  if (warmUpRequests === 0) return
  const samples: Sample[] = []
  const concurrency = plan.kind === 'closed' ? plan.concurrency : 4
  world.liveLine.show(`warming up with ${warmUpRequests} requests`)
  const warmUpPlan: LoadPlan = { kind: 'closed', concurrency, requests: warmUpRequests, durationMs: null }
  await runLoad(warmUpPlan, { ...world, clips, onSample: (sample) => void samples.push(sample) })
  world.liveLine.clear()
  if (world.signal.aborted || samples.some(({ failure }) => failure === null)) return
  const codes = [...new Set(samples.map(({ failure }) => failure))].join(', ')
  throw new ToolError('warm_up', `no request of the warm-up was answered by ${url}: ${codes}`, {
    help: 'Try it with one file: `asr-cluster transcribe FILE`.',
  })
}

/** Shows the last half second, again and again; returns what ends it. */
function startLive({ liveLine, nowMs }: BenchWorld, samples: readonly Sample[]): () => void {
  if (!liveLine.isVisible) return () => {}
  const startedAtMs = nowMs()
  let shownAtMs = startedAtMs
  let shownCount = 0
  let failed = 0
  const timer = setInterval(() => {
    const recent = samples.slice(shownCount)
    failed += recent.filter(({ failure }) => failure !== null).length
    const latencies = Float64Array.from(recent, latencyOf).sort()
    const perSecond = (recent.length / (nowMs() - shownAtMs)) * 1000
    const typical = recent.length === 0 ? '' : `, p50 ${formatSeconds(quantile(latencies, 0.5) / 1000)}`
    shownAtMs = nowMs()
    shownCount = samples.length
    const seconds = formatSeconds((shownAtMs - startedAtMs) / 1000)
    liveLine.show(`${seconds}  ${shownCount} done, ${failed} failed, ${perSecond.toFixed(1)}/s${typical}`)
  }, liveIntervalMs)
  return () => {
    clearInterval(timer)
    liveLine.clear()
  }
}
