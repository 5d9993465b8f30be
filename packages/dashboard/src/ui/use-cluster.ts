import type { LiveStatus } from '@asr-cluster/protocol'
import { useRef, useState } from 'preact/hooks'
import { get, KeyNeededError } from '../api/get.js'
import { parseMetrics, type Metrics } from '@asr-cluster/protocol/metrics'
import { ratesBetween, type Rates, type Scrape } from '../data/rates.js'
import { usePolling } from './use-polling.js'

const statusIntervalMs = 1_000
const metricsIntervalMs = 2_000
/** A rate over less than that would jump with every single request. */
const windowMs = 10_000
export const historyMs = 5 * 60_000

export interface ClusterView {
  status: LiveStatus | null
  /** Of the last five minutes, oldest first. */
  history: readonly Rates[]
  metrics: Metrics
  connection: 'connecting' | 'live' | 'lost' | 'key-needed'
}

/** What the page knows of the cluster, kept up to date. */
export function useCluster(): ClusterView {
  const [status, setStatus] = useState<LiveStatus | null>(null)
  const [connection, setConnection] = useState<ClusterView['connection']>('connecting')
  const [history, setHistory] = useState<readonly Rates[]>([])
  const [metrics, setMetrics] = useState<Metrics>(new Map())
  const scrapes = useRef<Scrape[]>([])

  usePolling(async () => {
    try {
      const response = await get('/api/status')
      setStatus((await response.json()) as LiveStatus)
      setConnection('live')
    } catch (error) {
      setConnection(error instanceof KeyNeededError ? 'key-needed' : 'lost')
    }
  }, statusIntervalMs)

  usePolling(async () => {
    try {
      const response = await get('/metrics')
      const scrape = { atMs: Date.now(), metrics: parseMetrics(await response.text()) }
      const base =
        scrapes.current.findLast(({ atMs }) => atMs <= scrape.atMs - windowMs) ?? scrapes.current[0]
      scrapes.current = [...scrapes.current, scrape].filter(({ atMs }) => atMs > scrape.atMs - 2 * windowMs)
      setMetrics(scrape.metrics)
      if (base) {
        const rates = ratesBetween(base, scrape)
        setHistory((last) => [...last, rates].filter(({ atMs }) => atMs > scrape.atMs - historyMs))
      }
    } catch {
      // The status tells of the lost connection; the charts have a gap.
    }
  }, metricsIntervalMs)

  return { status, history, metrics, connection }
}
