import type { Clock } from '../../clock.js'
import type { Random } from '../../policy/index.js'
import type { Upstream } from '../parse-upstream.js'
import type { FoundMember, MemberSource, SourceSink } from '../source.js'
import type { SliceApi } from './api-client.js'
import type { EndpointSlice } from './endpoint-slice.js'
import { followSlices } from './follow-slices.js'
import { membersOfSlices } from './members-of-slices.js'

/** The balancer listens after so long even when the API server has not answered: requests wait then. */
const firstAnswerMs = 5_000

export interface KubernetesSourceOptions {
  api: SliceApi
  /** Where a Service is looked for that names none. */
  namespace: string
  clock: Clock
  random: Random
}

/** The pods behind a Service, followed through its EndpointSlices. */
export class KubernetesSource implements MemberSource {
  readonly #upstream: Upstream
  readonly #options: KubernetesSourceOptions
  readonly #stop = new AbortController()
  #known: readonly FoundMember[] = []

  constructor(upstream: Upstream, options: KubernetesSourceOptions) {
    this.#upstream = upstream
    this.#options = options
  }

  start(sink: SourceSink): Promise<void> {
    const { api, namespace, clock, random } = this.#options
    const { service } = this.#upstream
    if (!service) throw new TypeError('not an upstream of the kind kubernetes')
    return new Promise((resolve) => {
      const cancel = clock.after(firstAnswerMs, resolve)
      const settle = (): void => {
        cancel()
        resolve()
      }
      const onFailure = (error: Error): void => {
        sink.onFailure(error)
        settle()
      }
      const onSlices = (slices: ReadonlyMap<string, EndpointSlice>): void => {
        try {
          this.#known = this.#membersOf(slices.values())
          sink.onMembers(this.#known)
          settle()
        } catch (error) {
          onFailure(error as Error)
        }
      }
      const query = { namespace: service.namespace ?? namespace, service: service.name }
      void followSlices({ api, query, clock, random, onSlices, onFailure }, this.#stop.signal)
    })
  }

  stop(): void {
    this.#stop.abort()
  }

  #membersOf(slices: Iterable<EndpointSlice>): FoundMember[] {
    const { member, slotsFromHealth, service, idPrefix } = this.#upstream
    const known = new Set(this.#known.map((each) => `${each.member.id} ${each.member.url}`))
    return membersOfSlices(slices, { member, idPrefix, slotsFromHealth, port: service?.port, known })
  }
}
