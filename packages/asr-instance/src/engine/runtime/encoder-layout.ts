import { ort } from './onnxruntime.js'
import { masked } from './decoder-io.js'

/** Tokens that attend together in one run, among those of the run. */
export interface AttentionRow {
  index: number
  from: number
  tokens: number
}

/** How the tokens of some clips are laid out in rows of one length. */
export interface EncoderLayout {
  columns: number
  /** The rows of each clip. */
  clips: AttentionRow[][]
  /** Rows have two windows that do not see each other; the first of them has so many tokens. */
  paired: number | undefined
}

interface Clip {
  /** First of its tokens in the run. */
  from: number
  tokens: number
}

/**
 * A row for each window; or, where that is less to compute, a whole window and the short one behind it as one row, which
 * filling the short one up to the length of the whole one would make longer.
 */
export function layOut(clips: readonly Clip[], windowTokens: number): EncoderLayout {
  const windows = rowsOf(clips, windowTokens)
  const pairs = rowsOf(clips, 2 * windowTokens)
  const size = (layout: Pick<EncoderLayout, 'clips' | 'columns'>) =>
    layout.clips.flat().length * layout.columns
  return size(pairs) < size(windows) ? { ...pairs, paired: windowTokens } : { ...windows, paired: undefined }
}

function rowsOf(clips: readonly Clip[], most: number): Pick<EncoderLayout, 'clips' | 'columns'> {
  let index = 0
  let columns = 0
  const rows = clips.map(({ from, tokens }) =>
    Array.from({ length: Math.ceil(tokens / most) }, (_, i) => {
      const row = { index: index++, from: from + i * most, tokens: Math.min(most, tokens - i * most) }
      columns = Math.max(columns, row.tokens)
      return row
    }),
  )
  return { clips: rows, columns }
}

/** Where the tokens of the rows stand, and what each of them sees. */
export function layoutInputs({ clips, columns, paired }: EncoderLayout): Record<string, ort.Tensor> {
  const rows = clips.flat()
  const index = new BigInt64Array(rows.length * columns)
  const queries = paired === undefined ? 1 : columns
  const mask = new Float32Array(rows.length * queries * columns)
  for (const [row, { from, tokens }] of rows.entries()) {
    for (let token = 0; token < tokens; token++) index[row * columns + token] = BigInt(from + token)
    for (let query = 0; query < queries; query++) {
      const line = (row * queries + query) * columns
      mask.fill(masked, line + tokens, line + columns)
      if (paired === undefined || tokens <= paired) continue
      const [first, end] = query < paired ? [paired, tokens] : [0, paired]
      mask.fill(masked, line + first, line + end)
    }
  }
  return {
    token_index: new ort.Tensor('int64', index, [rows.length, columns]),
    mask: new ort.Tensor('float32', mask, [rows.length, 1, queries, columns]),
  }
}
