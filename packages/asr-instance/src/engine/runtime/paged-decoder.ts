import * as ort from 'onnxruntime-node'
import type { PageMemory } from './page-memory.js'
import { missingPages, PagedCache, takePages, type PageCopy, type PagedRow } from './paged-cache.js'
import type { Decoder, DecoderOutput, DecoderStep } from './sequence-cache.js'

/** Runs the decoder whose keys and values stand in pages (compile/paged-decoder.ts). */
export class PagedDecoder implements Decoder {
  readonly #session: ort.InferenceSession
  readonly #memory: PageMemory

  constructor(session: ort.InferenceSession, memory: PageMemory) {
    this.#session = session
    this.#memory = memory
  }

  newCache(): PagedCache {
    return new PagedCache(this.#memory.pool)
  }

  releaseMemory(): void {
    this.#memory.clear()
  }

  async step(
    cache: PagedCache,
    embeds: Float32Array,
    tokens: number,
    wantLogits: boolean,
  ): Promise<DecoderOutput> {
    const [output] = await this.stepTogether([{ cache, embeds, tokens, wantLogits }])
    return output!
  }

  async stepTogether(steps: readonly DecoderStep<PagedCache>[]): Promise<DecoderOutput[]> {
    const parts = steps.flatMap(({ cache, tokens }) => cache.list.map((row) => ({ row, tokens })))
    await this.#takePages(parts)
    const wantLogits = steps.some((step) => step.wantLogits)
    const outputs = await this.#session.run(
      { ...inputs(parts, joined(steps)), ...this.#memory.feeds },
      wantLogits ? ['choice', 'logits'] : ['choice'],
    )
    for (const { row, tokens } of parts) row.length += tokens
    const choice = outputs['choice']!.data as Float32Array
    const logits = outputs['logits']?.data as Float32Array | undefined
    let at = 0
    return steps.map((step) => {
      const [from, to] = [at, (at += step.cache.rows)]
      const vocab = (logits?.length ?? 0) / parts.length
      return {
        tokens: Array.from(choice.subarray(from, to)),
        logprobs: Array.from(choice.subarray(parts.length + from, parts.length + to)),
        logits: step.wantLogits ? logits?.subarray(from * vocab, to * vocab) : undefined,
      }
    })
  }

  async #takePages(parts: readonly RowTokens[]): Promise<void> {
    const { pool } = this.#memory
    await this.#memory.makeRoom(
      parts.reduce((sum, { row, tokens }) => sum + missingPages(pool, row, tokens), 0),
    )
    const copies = parts.map(({ row, tokens }) => takePages(pool, row, tokens))
    await this.#memory.copy(copies.filter((copy): copy is PageCopy => copy !== undefined))
  }
}

interface RowTokens {
  row: PagedRow
  /** New ones. */
  tokens: number
}

/**
 * Up to so many tokens in all, each token of a prompt is a row of its own to the attention, with the pages of its row: keys
 * and values of all are written before any is attended to. Its kernel for single tokens spreads over the device, that for
 * prompts does not (of 16 prompts of 158 tokens, 124 ms less on an H200). Of longer ones the list of pages would be long.
 */
const mostTokensAsRows = 1024

/** What the attention takes for a row: `count` tokens from `past` on. */
interface Span {
  row: PagedRow
  past: number
  count: number
}

function spansOf({ row, tokens }: RowTokens): Span[] {
  if (row.length + tokens > mostTokensAsRows) return [{ row, past: row.length, count: tokens }]
  return Array.from({ length: tokens }, (_, i) => ({ row, past: row.length + i, count: 1 }))
}

/** All but keys and values. */
function inputs(parts: readonly RowTokens[], embeds: Float32Array): Record<string, ort.Tensor> {
  const spans = parts.flatMap(spansOf)
  const mostPages = Math.max(...parts.map(({ row }) => row.pages.length))
  const begins = new Int32Array(spans.length + 1)
  const past = new Int32Array(spans.length)
  const table = new Int32Array(spans.length * mostPages)
  for (const [index, span] of spans.entries()) {
    begins[index + 1] = begins[index]! + span.count
    past[index] = span.past
    table.set(span.row.pages, index * mostPages)
  }
  let tokens = 0
  const last = Int32Array.from(parts, (part) => (tokens += part.tokens) - 1)
  const facts = [begins, past, table, last]
  const positions = BigInt64Array.from(
    spans.flatMap((span) => Array.from({ length: span.count }, (_, i) => BigInt(span.past + i))),
  )
  const longest = (of: (span: Span) => number) => spans.reduce((most, span) => Math.max(most, of(span)), 0)
  return {
    embeds: new ort.Tensor('float32', embeds, [tokens, embeds.length / tokens]),
    facts: int32(concatenated(facts)),
    fact_sizes: new ort.Tensor(
      'int64',
      BigInt64Array.from(facts, ({ length }) => BigInt(length)),
      [4],
    ),
    positions: new ort.Tensor('int64', positions, [1, tokens]),
    longest: int32(
      Int32Array.of(
        longest(({ count }) => count),
        longest(({ past, count }) => past + count),
      ),
    ),
  }
}

function concatenated(arrays: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(arrays.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const values of arrays) {
    all.set(values, at)
    at += values.length
  }
  return all
}

function int32(values: Int32Array): ort.Tensor {
  return new ort.Tensor('int32', values, [values.length])
}

function joined(steps: readonly DecoderStep<PagedCache>[]): Float32Array {
  if (steps.length === 1) return steps[0]!.embeds
  const all = new Float32Array(steps.reduce((sum, { embeds }) => sum + embeds.length, 0))
  let at = 0
  for (const { embeds } of steps) {
    all.set(embeds, at)
    at += embeds.length
  }
  return all
}
