import { loadOf, type Candidate, type Choice, type Random } from './candidate.js'

/** Two different candidates drawn by weight, the less loaded one wins (Mitzenmacher); the first drawn wins a tie. */
export function powerOfTwo(candidates: readonly Candidate[], random: Random): Choice {
  const first = draw(candidates, random, -1)
  if (candidates.length === 1) return { index: first }
  const second = draw(candidates, random, first)
  const better = loadOf(candidates[second] as Candidate) < loadOf(candidates[first] as Candidate)
  return { index: better ? second : first }
}

/** One position by weight, never `except`. */
function draw(candidates: readonly Candidate[], random: Random, except: number): number {
  let total = 0
  for (const [position, candidate] of candidates.entries()) if (position !== except) total += candidate.weight
  let left = random() * total
  let last = 0
  for (const [position, candidate] of candidates.entries()) {
    if (position === except) continue
    last = position
    left -= candidate.weight
    if (left < 0) return position
  }
  return last
}
