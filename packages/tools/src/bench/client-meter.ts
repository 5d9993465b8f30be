import { monitorEventLoopDelay, performance } from 'node:perf_hooks'

/** How much this process was at its own limit while it measured. */
export interface ClientLoad {
  /** Of one core. */
  cpuShare: number
  /** Share of the time in which the event loop had work. */
  loopBusy: number
  /** How late the event loop was. */
  loopDelayP99Ms: number
}

const resolutionMs = 10

export function startClientMeter(): { stop: () => ClientLoad } {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs })
  delay.enable()
  const cpu = process.cpuUsage()
  const startedAtMs = performance.now()
  const loop = performance.eventLoopUtilization()
  return {
    stop() {
      delay.disable()
      const { user, system } = process.cpuUsage(cpu)
      const wallMs = performance.now() - startedAtMs
      // Each value is the gap between two ticks of that length; fewer than one tick give none.
      const p99Ms = delay.count === 0 ? 0 : delay.percentile(99) / 1e6 - resolutionMs
      return {
        cpuShare: (user + system) / 1000 / wallMs,
        loopBusy: performance.eventLoopUtilization(loop).utilization,
        loopDelayP99Ms: Math.max(0, p99Ms),
      }
    },
  }
}

const mostBusy = 0.85
const mostDelayMs = 25

/** A sentence if the figures say more of the client than of the server; null if not. */
export function clientLimit({ loopBusy, loopDelayP99Ms }: ClientLoad, sendLagP99Ms: number): string | null {
  const lateMs = Math.max(loopDelayP99Ms, sendLagP99Ms)
  const late = `up to ${Math.round(lateMs)} ms late (p99)`
  if (loopBusy > mostBusy) {
    const busy = `busy ${Math.round(loopBusy * 100)} % of the time`
    return `this client was the limit: it was ${busy} and ${late}; share the load among several`
  }
  if (lateMs <= mostDelayMs) return null
  // It had little to do and was late all the same: somebody else had the processor.
  return `this client had to wait for a processor: it was ${late}, which the latencies include; run it on another machine`
}
