/** Tokens that a head of rounded weights holds for the most likely, of one row. */
export interface Candidates {
  /** By falling score. */
  ids: readonly number[]
  /** Logits by the rounded weights. */
  scores: Float32Array
  /** Natural log-probability of the first candidate by the rounded weights. */
  logprob: number
  /** `[hidden]`: what the head multiplies. */
  state: Float32Array
}

export interface ExactChoice {
  token: number
  /** Natural; the tokens that are no candidates count by the rounded weights. */
  logprob: number
  /** Of each candidate. */
  logits: Float64Array
}

/** Of the candidates the most likely one by the head's own weights, of which `row` gives a token's, `[hidden]`. */
export function chooseExactly(
  { ids, scores, logprob, state }: Candidates,
  row: (token: number) => Float32Array,
): ExactChoice {
  const logits = Float64Array.from(ids, (id) => dot(state, row(id)))
  const best = logits.indexOf(Math.max(...logits))
  const top = logits[best]!
  const peak = scores[0]!
  // The sum of all exponentials, first in parts of the peak's, then of the chosen one's, so that nothing overflows.
  const others = Math.exp(-logprob) - sumOf(scores, (score) => Math.exp(score - peak))
  const sum = Math.max(others, 0) * Math.exp(peak - top) + sumOf(logits, (logit) => Math.exp(logit - top))
  return { token: ids[best]!, logprob: -Math.log(sum), logits }
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

function sumOf(values: Float32Array | Float64Array, of: (value: number) => number): number {
  let sum = 0
  for (const value of values) sum += of(value)
  return sum
}
