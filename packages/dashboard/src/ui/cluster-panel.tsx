import type { LiveStatus } from '@asr-cluster/protocol'
import { instanceViews } from '../data/instances.js'
import { InstanceCard } from './instance-card.js'
import type { Admin } from './use-admin.js'

/** The queue and, behind it, the instances. */
export function ClusterPanel({ status, admin }: { status: LiveStatus; admin: Admin }) {
  const { queueDepth, queueMax, inFlight, policy } = status.balancer
  const instances = instanceViews(status)
  return (
    <section aria-labelledby="cluster">
      <h2 id="cluster">Cluster</h2>
      <div class="cluster">
        <div class={queueDepth > 0 ? 'card queue waiting' : 'card queue'}>
          <h3>Queue</h3>
          <p class="figure">{queueDepth}</p>
          <p>waiting, of at most {queueMax}</p>
          <p class="figure">{inFlight}</p>
          <p>in flight</p>
          <p class="muted">{policy}</p>
        </div>
        <div class="arrow" aria-hidden="true">
          →
        </div>
        {instances.length === 0 ? (
          <p class="card">No instance is known.</p>
        ) : (
          <ul class="instances" aria-label="Instances">
            {instances.map((instance) => (
              <InstanceCard key={instance.id} instance={instance} admin={admin} />
            ))}
          </ul>
        )}
      </div>
    </section>
  )
}
