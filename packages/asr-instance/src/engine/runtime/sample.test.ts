import { expect, test } from 'vitest'
import { sampleToken } from './sample.js'

const logits = Float32Array.of(Math.log(1), Math.log(2), Math.log(1))

test('tokens are drawn in proportion to their probability', () => {
  const counts = [0, 0, 0]
  for (let i = 0; i < 400; i++) counts[sampleToken(logits, 1, () => (i + 0.5) / 400).token]!++
  expect(counts).toEqual([100, 200, 100])
  expect(sampleToken(logits, 1, () => 0.5).logprob).toBeCloseTo(Math.log(0.5), 6)
})

test('a low temperature takes the best one', () => {
  for (const u of [0.001, 0.5, 0.999]) expect(sampleToken(logits, 0.01, () => u).token).toBe(1)
})
