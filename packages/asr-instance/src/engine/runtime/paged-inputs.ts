import { ort } from './onnxruntime.js'
import { concatenate } from './concatenate.js'
import { int32, int64 } from './integer-tensors.js'
import type { PagedRow } from './paged-cache.js'

export interface RowTokens {
  row: PagedRow
  /** New ones. */
  tokens: number
}

/**
 * Each token of a prompt is a row of its own to the attention, with the pages of its row: keys and values of all are written
 * before any is attended to. Its kernel for single tokens spreads over the device, that for prompts does not (of 16 prompts
 * of 158 tokens, 124 ms less on an H200). Not so with a long past or with very many, for which its memory would be large.
 */
const mostTokensAsRows = { past: 1024, run: 4096 }

/** What the attention takes for a row: `count` tokens from `past` on. */
interface Span {
  row: PagedRow
  past: number
  count: number
}

function spansOf({ row, tokens }: RowTokens, asRows: boolean): Span[] {
  if (!asRows || row.length + tokens > mostTokensAsRows.past)
    return [{ row, past: row.length, count: tokens }]
  return Array.from({ length: tokens }, (_, i) => ({ row, past: row.length + i, count: 1 }))
}

/** Inputs of the decoder (compile/paged-decoder.ts) but for keys and values. `embeds [tokens, hidden]`, row by row. */
export function pagedInputs(parts: readonly RowTokens[], embeds: Float32Array): Record<string, ort.Tensor> {
  const tokens = parts.reduce((sum, part) => sum + part.tokens, 0)
  const spans = parts.flatMap((part) => spansOf(part, tokens <= mostTokensAsRows.run))
  const mostPages = Math.max(...parts.map(({ row }) => row.pages.length))
  const begins = new Int32Array(spans.length + 1)
  const past = new Int32Array(spans.length)
  const table = new Int32Array(spans.length * mostPages)
  for (const [index, span] of spans.entries()) {
    begins[index + 1] = begins[index]! + span.count
    past[index] = span.past
    table.set(span.row.pages, index * mostPages)
  }
  let end = 0
  const last = Int32Array.from(parts, (part) => (end += part.tokens) - 1)
  const facts = [begins, past, table, last]
  const positions = spans.flatMap((span) => Array.from({ length: span.count }, (_, i) => span.past + i))
  const longest = (of: (span: Span) => number) => spans.reduce((most, span) => Math.max(most, of(span)), 0)
  return {
    embeds: new ort.Tensor('float32', embeds, [tokens, embeds.length / tokens]),
    facts: int32(concatenate(facts, Int32Array)),
    fact_sizes: int64(facts.map(({ length }) => length)),
    positions: int64(positions, [1, tokens]),
    longest: int32(
      Int32Array.of(
        longest(({ count }) => count),
        longest(({ past, count }) => past + count),
      ),
    ),
  }
}
