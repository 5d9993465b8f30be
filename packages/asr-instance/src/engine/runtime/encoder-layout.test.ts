import { expect, test } from 'vitest'
import { layOut, layoutInputs } from './encoder-layout.js'

const windowTokens = 4

function clips(...lengths: number[]) {
  let from = 0
  return lengths.map((tokens) => ({ from: (from += 100) - 100, tokens }))
}

/** Tokens that each token of a layout sees, by the masks; what fills a row up sees nothing of interest. */
function seen(...lengths: number[]): Map<number, number[]> {
  const layout = layOut(clips(...lengths), windowTokens)
  const { token_index: index, mask } = layoutInputs(layout)
  const [rows, columns] = index!.dims as [number, number]
  const queries = mask!.dims[2]!
  const at = (row: number, column: number) => Number((index!.data as BigInt64Array)[row * columns + column])
  const visible = new Map<number, number[]>()
  for (const { index: row, tokens } of layout.clips.flat())
    for (let query = 0; query < tokens; query++) {
      const line = (row * queries + (queries === 1 ? 0 : query)) * columns
      const free = Array.from({ length: columns }, (_, column) => column).filter(
        (column) => (mask!.data as Float32Array)[line + column] === 0,
      )
      visible.set(
        at(row, query),
        free.map((column) => at(row, column)),
      )
    }
  expect(rows * columns).toBe(index!.data.length)
  return visible
}

test.each([
  { lengths: [3] },
  { lengths: [4] },
  { lengths: [6] },
  { lengths: [8] },
  { lengths: [9] },
  { lengths: [6, 6] },
  { lengths: [5, 2, 7] },
  { lengths: [4, 14, 1] },
])('clips of $lengths tokens: each token sees its own window and no other', ({ lengths }) => {
  const expected = clips(...lengths).flatMap(({ from, tokens }) =>
    Array.from({ length: tokens }, (_, token): [number, number[]] => {
      const begin = token - (token % windowTokens)
      const window = Array.from(
        { length: Math.min(windowTokens, tokens - begin) },
        (_, i) => from + begin + i,
      )
      return [from + token, window]
    }),
  )
  expect(seen(...lengths)).toEqual(new Map(expected))
})

test('a whole window and a short one share a row where that is less to compute', () => {
  expect(layOut(clips(6, 6), windowTokens)).toMatchObject({ columns: 6, paired: windowTokens })
  expect(layOut(clips(8, 6), windowTokens)).toMatchObject({ columns: 4, paired: undefined })
  expect(layOut(clips(3, 2), windowTokens)).toMatchObject({ columns: 3, paired: undefined })
})
