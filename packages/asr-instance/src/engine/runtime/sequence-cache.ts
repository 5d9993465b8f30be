/** Keys and values of the rows of a batch, wherever they are kept. Rows are numbered from 0 without gaps. */
export interface SequenceCache {
  readonly rows: number
  /** Tokens of a row. */
  length(row: number): number
  /** Adds a row without tokens. */
  addRow(): number
  /** Forgets what the first row holds beyond `length`. */
  truncate(length: number): void
  /** Adds the only row of another cache, which is of no use afterwards, as the last row of this one. */
  adopt(other: SequenceCache): number
  /** Adds a copy of the only row of another cache as the last row of this one. */
  copy(other: SequenceCache): number
  /** Removes a row; the last row takes its place. */
  removeRow(row: number): void
}

export interface DecoderOutput {
  /** Most likely next token of each row, and its natural log-probability. */
  tokens: number[]
  logprobs: number[]
  /** `[rows, vocab]`, only when asked for. */
  logits: Float32Array | undefined
}

/** `tokens` more of each row of a cache, `embeds [rows, tokens, hidden]`. */
export interface DecoderStep<C extends SequenceCache = SequenceCache> {
  cache: C
  embeds: Float32Array
  tokens: number
  wantLogits: boolean
}

export interface Decoder {
  /** Gives back what it keeps for the next requests. */
  releaseMemory?(): void
  /** `mostRows`: rows that it will have at most. */
  newCache(mostRows: number): SequenceCache
  /**
   * Feeds `tokens` embeddings to each row, `[rows, tokens, hidden]`; each row stands at its own position.
   * A prefill is one row with many tokens, a decode step many rows with one.
   */
  step(
    cache: SequenceCache,
    embeds: Float32Array,
    tokens: number,
    wantLogits: boolean,
  ): Promise<DecoderOutput>
  /** Several steps in one run, for a device on which a run costs more than what it computes. */
  stepTogether?(steps: readonly DecoderStep[]): Promise<DecoderOutput[]>
  /**
   * Several greedy decode steps in one go, for a device to which each call has to carry the cache. `embeds [rows, hidden]`
   * are fed first, then what was chosen. `most` tokens are left to each row. Answers what each step chose, at least one
   * for each row; what follows the end of a row is of no meaning.
   */
  steps?(
    cache: SequenceCache,
    embeds: Float32Array,
    most: readonly number[],
    count: number,
  ): Promise<DecoderOutput[]>
}
