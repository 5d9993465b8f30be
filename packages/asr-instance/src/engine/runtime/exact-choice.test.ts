import { expect, test } from 'vitest'
import { chooseExactly } from './exact-choice.js'

const weights = [
  [1, 0],
  [0.9, 0.5],
  [-1, 0],
  [0, -1],
].map((row) => Float32Array.from(row))
const row = (token: number) => weights[token]!
const state = Float32Array.of(2, 1)
// The rounded weights have the first two the wrong way round.
const rounded = [2.1, 2, -2.2, -0.9]

function logSumExp(values: readonly number[]): number {
  return Math.log(values.reduce((sum, value) => sum + Math.exp(value), 0))
}

test('the most likely by the own weights, whatever the rounded ones said', () => {
  const scores = Float32Array.from(rounded.slice(0, 2))
  const choice = chooseExactly({ ids: [0, 1], scores, logprob: 2.1 - logSumExp(rounded), state }, row)
  expect(choice.token).toBe(1)
  expect([...choice.logits].map((logit) => Number(logit.toFixed(6)))).toEqual([2, 2.3])
  expect(choice.logprob).toBeCloseTo(2.3 - logSumExp([2, 2.3, -2.2, -0.9]), 6)
})

test('with every token a candidate the log-probability is exact', () => {
  const ids = [0, 1, 3, 2]
  const scores = Float32Array.from(ids, (id) => rounded[id]!)
  const choice = chooseExactly({ ids, scores, logprob: 2.1 - logSumExp(rounded), state }, row)
  expect(choice.logprob).toBeCloseTo(2.3 - logSumExp([2, 2.3, -2, -1]), 6)
})

test('sure of a token, and of one that the rounded weights thought little of', () => {
  const scores = Float32Array.of(30, -400)
  const sure = { ids: [0, 1], scores, logprob: 0, state: Float32Array.of(30, 0) }
  expect(chooseExactly(sure, row)).toMatchObject({ token: 0 })
  expect(chooseExactly(sure, row).logprob).toBeCloseTo(-Math.log(1 + Math.exp(-3)), 6)
  const far = { ...sure, state: Float32Array.of(0, 2_000) }
  expect(chooseExactly(far, row)).toMatchObject({ token: 1, logprob: -0 })
})
