import type { Checkpoint } from '../checkpoint/checkpoint.js'
import { embeddingTensor, headTensor } from '../checkpoint/tensor-names.js'

const cachedRows = 4096

/**
 * Rows of a matrix `[vocab, hidden]`, read one by one from the checkpoint: exact at any quantization, and the pages are the
 * operating system's, shared by all instances, instead of a gigabyte in each.
 */
export class RowTable {
  readonly #checkpoint: Checkpoint
  readonly #tensor: string
  readonly #shape: readonly [number, number]
  readonly #rows = new Map<number, Float32Array>()

  constructor(checkpoint: Checkpoint, tensor: string) {
    this.#checkpoint = checkpoint
    this.#tensor = tensor
    this.#shape = [checkpoint.config.text.vocab, checkpoint.config.text.hidden]
  }

  row(token: number): Float32Array {
    const known = this.#rows.get(token)
    if (known) return known
    const row = this.#checkpoint.readRows(this.#tensor, this.#shape, token, 1)
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

/** What tokens are fed as, and what they are chosen by; one table where the checkpoint has one matrix for both. */
export function tokenTables(checkpoint: Checkpoint): { embeddings: RowTable; head: RowTable } {
  const embeddings = new RowTable(checkpoint, embeddingTensor)
  const head = headTensor(checkpoint)
  return { embeddings, head: head === embeddingTensor ? embeddings : new RowTable(checkpoint, head) }
}
