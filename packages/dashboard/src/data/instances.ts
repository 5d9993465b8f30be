import type { ClusterStatus, LiveStatus } from '@asr-cluster/protocol'

type LastExit = NonNullable<ClusterStatus['instances'][number]['lastExit']>

/** One instance as the page shows it. */
export interface InstanceView {
  id: string
  state: string
  /** How the state is meant, for its colour and sign. */
  mood: 'good' | 'busy' | 'bad' | 'off'
  /** Why the balancer does not send to it, or what its start waits for. */
  note: string | null
  slots: number | null
  inFlight: number
  /** Label and value, in the order to show. */
  facts: [string, string][]
  restarts: number | null
  uptimeSeconds: number | null
  lastExit: LastExit | null
}

const moods: Record<string, InstanceView['mood']> = {
  ready: 'good',
  up: 'good',
  starting: 'busy',
  probing: 'busy',
  draining: 'busy',
  stopping: 'busy',
  backoff: 'bad',
  failed: 'bad',
  ejected: 'bad',
  stopped: 'off',
}

/** The supervisor's instances with the balancer's newer figures; a balancer that runs alone has only the latter. */
export function instanceViews({ balancer, cluster }: LiveStatus): InstanceView[] {
  const members = new Map(balancer.members.map((member) => [member.id, member]))
  if (!cluster) {
    return balancer.members.map((member) => ({
      id: member.id,
      state: member.state,
      mood: moods[member.state] ?? 'off',
      note: member.reason ?? null,
      slots: member.slots,
      inFlight: member.inFlight,
      facts: [
        ['Group', member.group],
        ['Weight', String(member.weight)],
      ],
      restarts: null,
      uptimeSeconds: null,
      lastExit: null,
    }))
  }
  return cluster.instances.map((instance) => {
    const member = members.get(instance.id)
    const isEjected = instance.state === 'ready' && member?.state === 'ejected'
    const state = isEjected ? 'ejected' : instance.state
    return {
      id: instance.id,
      state,
      mood: moods[state] ?? 'off',
      note: isEjected ? (member?.reason ?? null) : (instance.waitingFor ?? null),
      slots: instance.slots ?? member?.slots ?? null,
      inFlight: member?.inFlight ?? instance.inFlight,
      facts: [
        ['Model', instance.model.split('/').at(-1) ?? instance.model],
        ['Port', String(instance.port)],
        ['Pid', instance.pid === null ? '–' : String(instance.pid)],
        ['GPU', instance.gpu ?? 'none'],
        ['Weight', String(instance.weight)],
      ],
      restarts: instance.restarts,
      uptimeSeconds: instance.uptimeSeconds,
      lastExit: instance.lastExit,
    }
  })
}
