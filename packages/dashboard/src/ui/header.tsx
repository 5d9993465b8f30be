import { formatDuration } from '../data/format.js'
import { instanceViews } from '../data/instances.js'
import type { ClusterView } from './use-cluster.js'

/** A supervisor sends its word every second. */
const staleMs = 5_000

export function Header({ status, connection }: Pick<ClusterView, 'status' | 'connection'>) {
  return (
    <header>
      <h1>asr-cluster</h1>
      <p class="summary">{status ? summaryOf(status) : ''}</p>
      <p role="status" class={`pill ${connection === 'live' ? 'good' : 'bad'}`}>
        {connectionText(connection)}
      </p>
      {warningsOf(status).map((warning) => (
        <p class="warning" role="alert" key={warning}>
          {warning}
        </p>
      ))}
    </header>
  )
}

function summaryOf(status: NonNullable<ClusterView['status']>): string {
  const instances = instanceViews(status)
  const ready = instances.filter(({ mood }) => mood === 'good').length
  const parts = [`${ready} of ${instances.length} instances ready`]
  if (status.cluster) {
    const { version, uptimeSeconds } = status.cluster.supervisor
    parts.push(`up for ${formatDuration(uptimeSeconds)}`, `version ${version}`)
  }
  return parts.join(' · ')
}

function connectionText(connection: ClusterView['connection']): string {
  if (connection === 'live') return '● Live'
  if (connection === 'connecting') return '◐ Connecting'
  return connection === 'lost' ? '▲ Connection lost, trying again' : '▲ Key needed'
}

function warningsOf(status: ClusterView['status']): string[] {
  if (!status) return []
  const warnings: string[] = []
  if (status.balancer.draining) warnings.push('The balancer is draining: it takes no new work.')
  if (status.clusterAgeMs !== null && status.clusterAgeMs > staleMs) {
    warnings.push(`The supervisor has been silent for ${formatDuration(status.clusterAgeMs / 1_000)}.`)
  }
  return warnings
}
