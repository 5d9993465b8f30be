import type { ModelConfig } from '../checkpoint/model-config.js'

/** Capacity grows in steps of this many tokens: few copies, little wasted attention over empty places. */
const capacityStep = 64

export type CacheShape = Pick<ModelConfig['text'], 'layers' | 'kvHeads' | 'headDim'>

/**
 * Keys and values of the rows of a batch, per layer `[rows, kvHeads, capacity, headDim]`. The active rows are always
 * the first ones, so that a view on the buffer's front is the decoder's input without a copy. Places beyond a row's
 * length hold finite values that the mask hides.
 */
export class KvCache {
  readonly #shape: CacheShape
  /** Keys of layer i at 2i, values at 2i + 1. */
  #buffers: Float32Array[]
  #lengths: number[] = []
  #rowCapacity = 0
  #tokenCapacity = 0

  constructor(shape: CacheShape) {
    this.#shape = shape
    this.#buffers = Array.from({ length: 2 * shape.layers }, () => new Float32Array(0))
  }

  get rows(): number {
    return this.#lengths.length
  }

  /** Tokens that a view of the cache spans, for the mask. */
  get span(): number {
    return this.#tokenCapacity
  }

  length(row: number): number {
    return this.#lengths[row]!
  }

  keys(layer: number): Float32Array {
    return this.#buffers[2 * layer]!.subarray(0, this.rows * this.#rowSize)
  }

  values(layer: number): Float32Array {
    return this.#buffers[2 * layer + 1]!.subarray(0, this.rows * this.#rowSize)
  }

  get #rowSize(): number {
    return this.#shape.kvHeads * this.#tokenCapacity * this.#shape.headDim
  }

  addRow(): number {
    this.#reserve(this.rows + 1, this.#tokenCapacity)
    return this.#lengths.push(0) - 1
  }

  /** Appends the same number of tokens to each row: new slices `[layers, rows, kvHeads, tokens, headDim]`. */
  append(newKeys: Float32Array, newValues: Float32Array, tokens: number): void {
    const { layers, kvHeads, headDim } = this.#shape
    this.#reserve(this.rows, Math.max(...this.#lengths) + tokens)
    const rows = this.rows
    for (let layer = 0; layer < layers; layer++) {
      for (const [part, source] of [newKeys, newValues].entries()) {
        const target = this.#buffers[2 * layer + part]!
        for (let row = 0; row < rows; row++) {
          const size = tokens * headDim
          for (let head = 0; head < kvHeads; head++) {
            const from = ((layer * rows + row) * kvHeads + head) * tokens * headDim
            const to = ((row * kvHeads + head) * this.#tokenCapacity + this.#lengths[row]!) * headDim
            // A copy loop is faster than `set` with a new view for the one token of a decode step.
            if (size === headDim) for (let i = 0; i < headDim; i++) target[to + i] = source[from + i]!
            else target.set(source.subarray(from, from + size), to)
          }
        }
      }
    }
    for (let row = 0; row < rows; row++) this.#lengths[row]! += tokens
  }

  /** Forgets all but the first tokens of the only row. */
  truncate(length: number): void {
    this.#lengths[0] = Math.min(length, this.#lengths[0]!)
  }

  /** Adds the only row of another cache as the last row of this one. */
  adopt(other: KvCache): number {
    this.#reserve(this.rows + 1, other.length(0))
    const row = this.#lengths.push(0) - 1
    copyRow(
      other.#buffers,
      other.#tokenCapacity,
      0,
      this.#buffers,
      this.#tokenCapacity,
      row,
      other.length(0),
      this.#shape,
    )
    this.#lengths[row] = other.length(0)
    return row
  }

  /** Removes a row; the last row takes its place. Memory shrinks once no row is left. */
  removeRow(row: number): void {
    const last = this.rows - 1
    if (row !== last) {
      const capacity = this.#tokenCapacity
      copyRow(this.#buffers, capacity, last, this.#buffers, capacity, row, this.#lengths[last]!, this.#shape)
      this.#lengths[row] = this.#lengths[last]!
    }
    this.#lengths.pop()
    if (this.rows === 0) {
      this.#buffers = this.#buffers.map(() => new Float32Array(0))
      this.#rowCapacity = 0
      this.#tokenCapacity = 0
    }
  }

  #reserve(rows: number, tokens: number): void {
    if (rows <= this.#rowCapacity && tokens <= this.#tokenCapacity) return
    const rowCapacity = Math.max(rows, this.#rowCapacity)
    const tokenCapacity = Math.max(Math.ceil(tokens / capacityStep) * capacityStep, this.#tokenCapacity)
    const { kvHeads, headDim } = this.#shape
    const grown = this.#buffers.map(() => new Float32Array(rowCapacity * kvHeads * tokenCapacity * headDim))
    for (let row = 0; row < this.rows; row++) {
      copyRow(
        this.#buffers,
        this.#tokenCapacity,
        row,
        grown,
        tokenCapacity,
        row,
        this.#lengths[row]!,
        this.#shape,
      )
    }
    this.#buffers = grown
    this.#rowCapacity = rowCapacity
    this.#tokenCapacity = tokenCapacity
  }
}

function copyRow(
  from: readonly Float32Array[],
  fromCapacity: number,
  fromRow: number,
  to: readonly Float32Array[],
  toCapacity: number,
  toRow: number,
  length: number,
  { kvHeads, headDim }: CacheShape,
): void {
  for (let buffer = 0; buffer < from.length; buffer++) {
    for (let head = 0; head < kvHeads; head++) {
      const start = (fromRow * kvHeads + head) * fromCapacity * headDim
      to[buffer]!.set(
        from[buffer]!.subarray(start, start + length * headDim),
        (toRow * kvHeads + head) * toCapacity * headDim,
      )
    }
  }
}
