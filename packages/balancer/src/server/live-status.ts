import type { BalancerStats, ClusterStatus, LiveStatus, Member } from '@asr-cluster/protocol'
import type { Clock } from '../clock.js'

export interface LiveStatusSource {
  stats: () => BalancerStats
  members: () => readonly Member[]
  queueMax: number
  isDraining: () => boolean
}

/** What `GET /api/status` answers with; keeps the supervisor's last word. */
export class LiveStatusBoard {
  readonly #source: LiveStatusSource
  readonly #clock: Clock
  #cluster: { status: ClusterStatus; atMs: number } | undefined

  constructor(source: LiveStatusSource, clock: Clock) {
    this.#source = source
    this.#clock = clock
  }

  setCluster(status: ClusterStatus): void {
    this.#cluster = { status, atMs: this.#clock.nowMs() }
  }

  read(): LiveStatus {
    const { policy, queueDepth, inFlight, members: stats } = this.#source.stats()
    const members = stats.flatMap((each) => {
      const member = this.#source.members().find(({ id }) => id === each.id)
      if (!member) return []
      const { group, models, weight, slots } = member
      return [{ ...each, group, models, weight, slots }]
    })
    return {
      balancer: {
        pid: process.pid,
        policy,
        queueDepth,
        queueMax: this.#source.queueMax,
        inFlight,
        draining: this.#source.isDraining(),
        members,
      },
      cluster: this.#cluster?.status ?? null,
      clusterAgeMs: this.#cluster ? this.#clock.nowMs() - this.#cluster.atMs : null,
    }
  }
}
