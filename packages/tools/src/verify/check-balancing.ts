import type { ClusterStatus } from '@asr-cluster/protocol'
import { mapInOrder } from '../common/map-in-order.js'
import { CheckFailure } from './check.js'
import { upload, type Target } from './http.js'

/** An instance that requests should reach. */
export interface Reachable {
  id: string
  group: string
  weight: number
}

const mostAtOnce = 16
const maxRounds = 5

export function reachable({ instances }: ClusterStatus): Reachable[] {
  return instances
    .filter(({ state }) => state === 'ready')
    .map(({ id, group, weight }) => ({ id, group, weight }))
}

/**
 * Sends real requests to a group, a round of as many as the weights add up to, until each of its instances has
 * answered; other clients may take their turns, so there are several rounds. Returns the answers per instance.
 * Throws CheckFailure naming those that never answered.
 */
export async function checkBalancing(
  target: Target,
  path: string,
  instances: readonly Reachable[],
  onSent: (count: number) => void,
): Promise<string> {
  const counts = new Map(instances.map(({ id }) => [id, 0]))
  const group = instances[0]?.group ?? ''
  const perRound = Math.min(
    64,
    instances.reduce((sum, { weight }) => sum + weight, 0),
  )
  let sent = 0
  for (let round = 0; round < maxRounds && missing(counts).length > 0; round++) {
    const headers = group === '' ? {} : { 'x-asr-model': group }
    const send = () => upload(target, '/asr', { path, field: 'audio', headers })
    const requests = Array.from({ length: Math.max(instances.length, perRound) }, () => send)
    for await (const outcome of mapInOrder(requests, mostAtOnce, (request) => request())) {
      sent += 1
      if (outcome.status === 'rejected') throw outcome.reason
      const { status, headers, body } = outcome.value
      if (status !== 200) throw new CheckFailure(`request ${sent} got ${status}: ${body.slice(0, 200)}`)
      const id = String(headers['x-asr-instance'])
      counts.set(id, (counts.get(id) ?? 0) + 1)
    }
  }
  onSent(sent)
  const silent = missing(counts)
  if (silent.length > 0)
    throw new CheckFailure(`of ${sent} requests none was answered by ${silent.join(', ')}`)
  const shares = instances.map(({ id, weight }) => `${id} ${counts.get(id)} (weight ${weight})`)
  return `${sent} requests: ${shares.join(', ')}`
}

function missing(counts: ReadonlyMap<string, number>): string[] {
  return [...counts].filter(([, count]) => count === 0).map(([id]) => id)
}
