/** What a policy may know of an instance that has a free slot. */
export interface Candidate {
  /** Effective weight, above 0: the configured one, scaled down while the instance ramps up. */
  weight: number
  inFlight: number
  /** Running total of the smooth round robin; 0 for an instance that just came. */
  currentWeight: number
}

export interface Choice {
  /** Index into the candidates; they must not be empty. */
  index: number
  /** New running totals by candidate; absent when the policy keeps none. */
  currentWeights?: number[]
}

/** Uniform in [0, 1). */
export type Random = () => number

export type Policy = (candidates: readonly Candidate[], random: Random) => Choice

/** Work per unit of capacity once this candidate took one more request. */
export function loadOf(candidate: Candidate): number {
  return (candidate.inFlight + 1) / candidate.weight
}
