import { loadOf, type Candidate, type Choice, type Random } from './candidate.js'

/** Fewest requests in flight for its weight; ties are broken at random so that idle instances share the work. */
export function leastOutstanding(candidates: readonly Candidate[], random: Random): Choice {
  let lowest = Number.POSITIVE_INFINITY
  let ties: number[] = []
  for (const [position, candidate] of candidates.entries()) {
    const load = loadOf(candidate)
    if (load < lowest) {
      lowest = load
      ties = [position]
    } else if (load === lowest) {
      ties.push(position)
    }
  }
  return { index: ties[Math.floor(random() * ties.length)] as number }
}
