import type { Checkpoint } from '../checkpoint/checkpoint.js'

const cachedRows = 4096

/**
 * Token embeddings, read row by row from the checkpoint: exact at any quantization, and the pages are the operating
 * system's, shared by all instances, instead of a gigabyte in each.
 */
export class EmbeddingTable {
  readonly #checkpoint: Checkpoint
  readonly #shape: readonly [number, number]
  readonly #rows = new Map<number, Float32Array>()

  constructor(checkpoint: Checkpoint) {
    this.#checkpoint = checkpoint
    this.#shape = [checkpoint.config.text.vocab, checkpoint.config.text.hidden]
  }

  row(token: number): Float32Array {
    const known = this.#rows.get(token)
    if (known) return known
    const row = this.#checkpoint.readRows('thinker.model.embed_tokens.weight', this.#shape, token, 1)
    if (this.#rows.size >= cachedRows) this.#rows.delete(this.#rows.keys().next().value as number)
    this.#rows.set(token, row)
    return row
  }

  /** `[tokens, hidden]` */
  rows(tokens: readonly number[]): Float32Array {
    const hidden = this.#shape[1]
    const out = new Float32Array(tokens.length * hidden)
    for (const [i, token] of tokens.entries()) out.set(this.row(token), i * hidden)
    return out
  }
}
