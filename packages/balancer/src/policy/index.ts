import type { BalancerConfig } from '@asr-cluster/protocol'
import type { Policy } from './candidate.js'
import { leastOutstanding } from './least-outstanding.js'
import { powerOfTwo } from './power-of-two.js'
import { weightedRoundRobin } from './weighted-round-robin.js'

export type { Candidate, Policy, Random } from './candidate.js'

export const policies: Record<BalancerConfig['policy'], Policy> = {
  'weighted-round-robin': weightedRoundRobin,
  'least-outstanding': leastOutstanding,
  'power-of-two': powerOfTwo,
}
