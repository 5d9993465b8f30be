import type { ort } from './onnxruntime.js'
import { concatenate } from './concatenate.js'
import type { PageMemory } from './page-memory.js'
import { missingPages, PagedCache, takePages, type PageCopy } from './paged-cache.js'
import { pagedInputs, type RowTokens } from './paged-inputs.js'
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
    const embeds =
      steps.length === 1
        ? steps[0]!.embeds
        : concatenate(
            steps.map((step) => step.embeds),
            Float32Array,
          )
    const wantLogits = steps.some((step) => step.wantLogits)
    const outputs = await this.#session.run(
      { ...pagedInputs(parts, embeds), ...this.#memory.feeds },
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
