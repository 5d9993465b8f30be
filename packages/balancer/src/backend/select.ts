import type { Candidate, Policy, Random } from '../policy/index.js'
import type { Backend } from './backend.js'

export interface Wish {
  /** Only members of this group; undefined for any. */
  group: string | undefined
  /** Instances on which the request failed already: id → life in which it did. */
  avoid: ReadonlyMap<string, number>
}

/**
 * Chooses among the backends with a free slot and moves the policy's state. An instance on which the request failed
 * comes last: after its return (another life) it may be tried again when no other has a free slot, in the same life
 * only when no other is up at all. Returns undefined when the request has to wait.
 */
export function selectBackend(
  backends: readonly Backend[],
  wish: Wish,
  policy: Policy,
  random: Random,
  nowMs: number,
): Backend | undefined {
  const members =
    wish.group === undefined ? backends : backends.filter((backend) => serves(backend, wish.group))
  if (wish.avoid.size === 0) return choose(members, policy, random, nowMs)
  const fresh = members.filter((backend) => !wish.avoid.has(backend.id))
  const returned = members.filter((backend) => {
    const failedLife = wish.avoid.get(backend.id)
    return failedLife !== undefined && failedLife !== backend.life
  })
  return (
    choose(fresh, policy, random, nowMs) ??
    choose(returned, policy, random, nowMs) ??
    (fresh.some((backend) => backend.isServing()) ? undefined : choose(members, policy, random, nowMs))
  )
}

/** Whether a request that waits would get the next slot that this backend, now full, has free. */
export function mayTake(backends: readonly Backend[], wish: Wish, backend: Backend): boolean {
  if (!backend.isServing() || !serves(backend, wish.group)) return false
  // With a free slot it is for another reason that the request waits, and a second one would not help.
  if (backend.inFlight < backend.member.slots) return false
  if (wish.avoid.get(backend.id) !== backend.life) return true
  return !backends.some((each) => each.isServing() && serves(each, wish.group) && !wish.avoid.has(each.id))
}

export function serves(backend: Backend, group: string | undefined): boolean {
  return group === undefined || backend.member.group === group || backend.member.models.includes(group)
}

function choose(
  backends: readonly Backend[],
  policy: Policy,
  random: Random,
  nowMs: number,
): Backend | undefined {
  const free: Backend[] = []
  const candidates: Candidate[] = []
  for (const backend of backends) {
    if (!backend.hasRoom(nowMs)) continue
    free.push(backend)
    candidates.push({
      weight: backend.effectiveWeight(nowMs),
      inFlight: backend.inFlight,
      currentWeight: backend.currentWeight,
    })
  }
  if (free.length === 0) return undefined
  const choice = policy(candidates, random)
  choice.currentWeights?.forEach((weight, index) => {
    ;(free[index] as Backend).currentWeight = weight
  })
  return free[choice.index]
}
