import { liveStatusSchema, type ClusterStatus, type LiveStatus } from '@asr-cluster/protocol'
import { faultOf, get } from '../client/get.js'
import { parseMetrics, type Metrics } from '@asr-cluster/protocol/metrics'

/** What was read of a cluster at one time. */
export interface Snapshot {
  atMs: number
  /** Of the supervisor, asked itself or through the balancer; null without one. */
  cluster: ClusterStatus | null
  /** Of the balancer; null when it does not answer. */
  balancer: LiveStatus['balancer'] | null
  metrics: Metrics
  /** What could not be read. */
  trouble: string | null
}

export interface SnapshotSource {
  baseUrl: string
  headers: Readonly<Record<string, string>>
  /** Asks the supervisor, which answers even when the balancer is down; null where it cannot be reached. */
  readStatus: (() => Promise<ClusterStatus>) | null
  nowMs: () => number
}

const timeoutMs = 5_000

/** Never rejects: a cluster in trouble is what one looks at. */
export async function readSnapshot(source: SnapshotSource): Promise<Snapshot> {
  const troubles: string[] = []
  const attempt = <T>(read: Promise<T>): Promise<T | null> =>
    read.catch((error: unknown) => {
      const message = messageOf(error)
      if (!troubles.includes(message)) troubles.push(message)
      return null
    })
  const [status, live, metrics] = await Promise.all([
    source.readStatus === null ? null : attempt(source.readStatus()),
    attempt(getText(source, '/api/status').then((text) => liveStatusSchema.parse(JSON.parse(text)))),
    attempt(getText(source, '/metrics').then(parseMetrics)),
  ])
  return {
    atMs: source.nowMs(),
    cluster: status ?? live?.cluster ?? null,
    balancer: live?.balancer ?? null,
    metrics: metrics ?? new Map(),
    trouble: troubles.length === 0 ? null : troubles.join('; '),
  }
}

async function getText({ baseUrl, headers }: SnapshotSource, path: string): Promise<string> {
  const { status, text } = await get(`${baseUrl}${path}`, {
    headers,
    signal: AbortSignal.timeout(timeoutMs),
  })
  if (status === 401) throw new Error(`${baseUrl} wants an API key: set ASR_CLUSTER_API_KEY`)
  if (status >= 300) throw new Error(`${baseUrl}${path} answers ${status}`)
  return text
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return `the balancer does not answer within ${timeoutMs / 1000} s`
  return 'code' in error ? `the balancer does not answer (${faultOf(error)})` : error.message
}
