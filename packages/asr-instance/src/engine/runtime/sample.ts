/** Draws a token from softmax(logits / temperature); `uniform` gives numbers in [0, 1). */
export function sampleToken(
  logits: Float32Array,
  temperature: number,
  uniform: () => number,
): { token: number; logprob: number } {
  let peak = Number.NEGATIVE_INFINITY
  for (const logit of logits) if (logit > peak) peak = logit
  let total = 0
  let plainTotal = 0
  for (const logit of logits) {
    total += Math.exp((logit - peak) / temperature)
    plainTotal += Math.exp(logit - peak)
  }
  let rest = uniform() * total
  let token = logits.length - 1
  for (let i = 0; i < logits.length; i++) {
    rest -= Math.exp((logits[i]! - peak) / temperature)
    if (rest < 0) {
      token = i
      break
    }
  }
  return { token, logprob: logits[token]! - peak - Math.log(plainTotal) }
}
