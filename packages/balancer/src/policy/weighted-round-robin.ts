import type { Candidate, Choice } from './candidate.js'

/**
 * nginx's smooth weighted round robin: every candidate gains its weight, the richest is chosen and pays the total.
 * Weights 5, 1, 1 give a a b a c a a. The first of equals wins, as in nginx, which makes the sequence exact.
 */
export function weightedRoundRobin(candidates: readonly Candidate[]): Choice {
  let total = 0
  let index = 0
  const currentWeights: number[] = []
  for (const [position, candidate] of candidates.entries()) {
    const gained = candidate.currentWeight + candidate.weight
    total += candidate.weight
    currentWeights.push(gained)
    if (gained > (currentWeights[index] as number)) index = position
  }
  currentWeights[index] = (currentWeights[index] as number) - total
  return { index, currentWeights }
}
