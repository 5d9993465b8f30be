import { parseMetrics, sumOf, type Metrics } from '@asr-cluster/protocol/metrics'
import { expectThat } from './check.js'
import { get, type Target } from './http.js'

const needed = [
  'asr_requests_total',
  'asr_request_duration_seconds_count',
  'asr_queue_depth',
  'asr_instance_up',
  'asr_instance_in_flight',
  'asr_instance_requests_total',
]

export async function readMetrics(target: Target): Promise<Metrics> {
  const { status, text } = await get(target, '/metrics')
  expectThat(status === 200, `GET /metrics answers ${status}`)
  return parseMetrics(text)
}

/** Instances that the balancer would send to. */
export function instancesUp(metrics: Metrics): string[] {
  const samples = metrics.get('asr_instance_up') ?? []
  return samples.flatMap(({ labels, value }) =>
    value === 1 && labels['instance'] ? [labels['instance']] : [],
  )
}

/** Are the series there, does each instance show as up, and were the transcriptions of this checklist counted? */
export function judgeMetrics(
  before: Metrics,
  after: Metrics,
  { instances, transcriptions }: { instances: readonly string[]; transcriptions: number },
): string {
  const absent = needed.filter((name) => !after.has(name))
  expectThat(absent.length === 0, `the series ${absent.join(', ')} are missing`)
  const up = new Set(instancesUp(after))
  const down = instances.filter((id) => !up.has(id))
  expectThat(down.length === 0, `asr_instance_up is not 1 for ${down.join(', ')}`)
  const good = (metrics: Metrics): number =>
    sumOf(metrics, 'asr_requests_total', { route: '/asr', code: '200' }) +
    sumOf(metrics, 'asr_requests_total', { route: '/v1/audio/transcriptions', code: '200' })
  const counted = good(after) - good(before)
  expectThat(counted >= transcriptions, `${transcriptions} transcriptions were answered, ${counted} counted`)
  return `${after.size} series, ${counted} new transcriptions counted`
}
