import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterStatus } from '@asr-cluster/protocol'
import type { Metrics } from '@asr-cluster/protocol/metrics'
import { check, type CheckResult } from './check.js'
import { checkBalancing, reachable, type Reachable } from './check-balancing.js'
import { instancesUp, judgeMetrics, readMetrics } from './check-metrics.js'
import { checkProcesses, type IsAlive } from './check-processes.js'
import { checkRequests, type KnownRecording } from './check-requests.js'
import type { Target } from './http.js'

export interface VerifyOptions {
  target: Target
  recording: KnownRecording
  /** Asks the supervisor; null where there is none to ask, as with `--url`. */
  readStatus: (() => Promise<ClusterStatus>) | null
  isAlive: IsAlive
}

const metricsLooks = 5
const metricsPauseMs = 100

/** The checklist of a running cluster, one result as soon as it is known. Sends real requests; never throws. */
export async function* verify(options: VerifyOptions): AsyncGenerator<CheckResult> {
  const { target, recording, readStatus, isAlive } = options
  let status: ClusterStatus | null = null
  if (readStatus !== null) {
    const asked = await check('status', async () => {
      status = await readStatus()
      return 'the supervisor answers'
    })
    if (!asked.ok) yield asked
    if (status !== null) yield* checkProcesses(status, isAlive)
  }
  const before: { metrics: Metrics } = { metrics: new Map() }
  const first = await check('metrics', async () => {
    before.metrics = await readMetrics(target)
    return ''
  })
  let transcriptions = 0
  for await (const result of checkRequests(target, recording)) {
    if (result.ok && result.name.startsWith('transcription')) transcriptions += 1
    yield result
  }
  const instances = status === null ? strangers(before.metrics) : reachable(status)
  const groups = new Set(instances.map(({ group }) => group))
  for (const group of groups) {
    const members = instances.filter((instance) => instance.group === group)
    const name = groups.size > 1 ? `balancing, group ${group}` : 'balancing'
    yield check(name, () =>
      checkBalancing(target, recording.path, members, (sent) => {
        transcriptions += sent
      }),
    )
  }
  if (first.ok) {
    const ids = instances.map(({ id }) => id)
    yield check('metrics', () => settled(target, before.metrics, { instances: ids, transcriptions }))
  } else yield first
}

/** An answer is counted a moment after its client has it, so a first look may come too early. */
async function settled(
  target: Target,
  before: Metrics,
  expected: Parameters<typeof judgeMetrics>[2],
): Promise<string> {
  for (let look = 1; ; look++) {
    try {
      return judgeMetrics(before, await readMetrics(target), expected)
    } catch (error) {
      if (look === metricsLooks) throw error
      await sleep(metricsPauseMs)
    }
  }
}

/** Without a supervisor the balancer's metrics tell which instances there are. */
function strangers(metrics: Metrics): Reachable[] {
  return instancesUp(metrics).map((id) => ({ id, group: '', weight: 1 }))
}
