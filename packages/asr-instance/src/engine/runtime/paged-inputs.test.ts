import { expect, test } from 'vitest'
import { pagedInputs, type RowTokens } from './paged-inputs.js'

/** The facts apart: begins, past, table by rows, last. */
function factsOf(parts: readonly RowTokens[]) {
  const tokens = parts.reduce((sum, part) => sum + part.tokens, 0)
  const inputs = pagedInputs(parts, new Float32Array(2 * tokens))
  const facts = [...(inputs['facts']!.data as Int32Array)]
  const sizes = [...(inputs['fact_sizes']!.data as BigInt64Array)].map(Number)
  const [begins, past, table, last] = sizes.map((size) => facts.splice(0, size)) as [
    number[],
    number[],
    number[],
    number[],
  ]
  const width = table.length / past.length
  return {
    begins,
    past,
    table: past.map((_, row) => table.slice(row * width, (row + 1) * width)),
    last,
    positions: [...(inputs['positions']!.data as BigInt64Array)].map(Number),
    longest: [...(inputs['longest']!.data as Int32Array)],
    embeds: inputs['embeds']!.dims,
  }
}

test('a decode step: each row has its past, its pages and one token', () => {
  const parts = [
    { row: { pages: [4, 2], length: 20 }, tokens: 1 },
    { row: { pages: [7], length: 3 }, tokens: 1 },
  ]
  expect(factsOf(parts)).toEqual({
    begins: [0, 1, 2],
    past: [20, 3],
    table: [
      [4, 2],
      [7, 0],
    ],
    last: [0, 1],
    positions: [20, 3],
    longest: [1, 21],
    embeds: [2, 2],
  })
})

test('prompts: each token is a row with the pages of its own', () => {
  const parts = [
    { row: { pages: [5], length: 2 }, tokens: 3 },
    { row: { pages: [1], length: 0 }, tokens: 2 },
  ]
  expect(factsOf(parts)).toMatchObject({
    begins: [0, 1, 2, 3, 4, 5],
    past: [2, 3, 4, 0, 1],
    table: [[5], [5], [5], [1], [1]],
    last: [2, 4],
    positions: [2, 3, 4, 0, 1],
    longest: [1, 5],
  })
})

test('a long past, and too many tokens for one run, stay rows of many tokens', () => {
  const long = { row: { pages: [1], length: 1000 }, tokens: 30 }
  const short = { row: { pages: [2], length: 0 }, tokens: 2 }
  expect(factsOf([short, long])).toMatchObject({
    begins: [0, 1, 2, 32],
    past: [0, 1, 1000],
    last: [1, 31],
    longest: [30, 1030],
  })
  const many = Array.from({ length: 9 }, () => ({ row: { pages: [3], length: 0 }, tokens: 500 }))
  const { begins, last, positions } = factsOf(many)
  expect(begins).toEqual(Array.from({ length: 10 }, (_, i) => 500 * i))
  expect(last.at(-1)).toBe(4499)
  expect(positions.slice(499, 502)).toEqual([499, 0, 1])
})
