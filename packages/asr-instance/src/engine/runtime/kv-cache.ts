import type { ModelConfig } from '../checkpoint/model-config.js'
import type { SequenceCache } from './sequence-cache.js'

/** Capacity grows in steps of this many tokens: few copies, little wasted attention over empty places. */
const capacityStep = 64

/** float32, or float16 as its bits. */
export type CacheValues = Float32Array | Uint16Array

export type CacheShape = Pick<ModelConfig['text'], 'layers' | 'kvHeads' | 'headDim'>

/**
 * In the host's memory, per layer `[rows, kvHeads, capacity, headDim]`. The active rows are always
 * the first ones, so that a view on a buffer's front is the decoder's input without a copy. Places beyond a row's
 * length hold finite values that the mask hides.
 */
export class KvCache<Values extends CacheValues = Float32Array> implements SequenceCache {
  readonly #shape: CacheShape
  readonly #mostRows: number
  readonly #allocate: (size: number) => Values
  /**
   * One allocation for all layers: a large one comes from the operating system, which hands out pages only when they
   * are touched, so room for rows that may come costs nothing.
   */
  #data: Values
  #views: Values[] | undefined
  #lengths: number[] = []
  #rowCapacity = 0
  #tokenCapacity = 0

  /** `mostRows`: rows that are made room for once there is more than one. */
  constructor(
    shape: CacheShape,
    mostRows = 1,
    allocate = ((size) => new Float32Array(size)) as (size: number) => Values,
  ) {
    this.#shape = shape
    this.#mostRows = mostRows
    this.#allocate = allocate
    this.#data = allocate(0)
  }

  get rows(): number {
    return this.#lengths.length
  }

  /** Tokens that a row has room for; for the mask. */
  get capacity(): number {
    return this.#tokenCapacity
  }

  length(row: number): number {
    return this.#lengths[row]!
  }

  /** The active rows: keys of layer i at 2i, values at 2i + 1. The same array until rows or room change. */
  get views(): readonly Values[] {
    this.#views ??= Array.from({ length: 2 * this.#shape.layers }, (_, index) => {
      const start = index * this.#rowCapacity * this.#rowSize
      return this.#data.subarray(start, start + this.rows * this.#rowSize) as Values
    })
    return this.#views
  }

  get #rowSize(): number {
    return this.#shape.kvHeads * this.#tokenCapacity * this.#shape.headDim
  }

  addRow(): number {
    this.#reserve(this.rows + 1, this.#tokenCapacity)
    return this.#pushRow(0)
  }

  /** Appends the same number of tokens to each row: new slices `[layers, rows, kvHeads, tokens, headDim]`. */
  append(newKeys: Values, newValues: Values, tokens: number): void {
    const { layers, kvHeads, headDim } = this.#shape
    this.#reserve(this.rows, Math.max(...this.#lengths) + tokens)
    const size = tokens * headDim
    for (let layer = 0, from = 0; layer < layers; layer++) {
      for (let row = 0; row < this.rows; row++) {
        for (let head = 0; head < kvHeads; head++, from += size) {
          const end = this.#lengths[row]! * headDim
          copyValues(newKeys, from, this.#data, this.#place(2 * layer, row, head) + end, size)
          copyValues(newValues, from, this.#data, this.#place(2 * layer + 1, row, head) + end, size)
        }
      }
    }
    for (let row = 0; row < this.rows; row++) this.#lengths[row]! += tokens
  }

  truncate(length: number): void {
    this.#lengths[0] = Math.min(length, this.#lengths[0]!)
  }

  adopt(other: KvCache<Values>): number {
    if (this.rows > 0) return this.copy(other)
    this.#data = other.#data
    this.#rowCapacity = other.#rowCapacity
    this.#tokenCapacity = other.#tokenCapacity
    return this.#pushRow(other.length(0))
  }

  copy(other: KvCache<Values>): number {
    this.#reserve(this.rows + 1, other.length(0))
    other.#copyRowTo(this, 0, this.rows)
    return this.#pushRow(other.length(0))
  }

  /** Memory shrinks once no row is left. */
  removeRow(row: number): void {
    const last = this.rows - 1
    if (row !== last) {
      this.#copyRowTo(this, last, row)
      this.#lengths[row] = this.#lengths[last]!
    }
    this.#lengths.pop()
    this.#views = undefined
    if (this.rows === 0) {
      this.#data = this.#allocate(0)
      this.#rowCapacity = 0
      this.#tokenCapacity = 0
    }
  }

  #pushRow(length: number): number {
    this.#views = undefined
    return this.#lengths.push(length) - 1
  }

  #reserve(rows: number, tokens: number): void {
    if (rows <= this.#rowCapacity && tokens <= this.#tokenCapacity) return
    const { layers } = this.#shape
    const grown = new KvCache(this.#shape, this.#mostRows, this.#allocate)
    grown.#rowCapacity = rows > 1 ? Math.max(rows, this.#mostRows) : rows
    grown.#tokenCapacity = Math.max(Math.ceil(tokens / capacityStep) * capacityStep, this.#tokenCapacity)
    grown.#data = this.#allocate(2 * layers * grown.#rowCapacity * grown.#rowSize)
    for (let row = 0; row < this.rows; row++) this.#copyRowTo(grown, row, row)
    this.#data = grown.#data
    this.#rowCapacity = grown.#rowCapacity
    this.#tokenCapacity = grown.#tokenCapacity
    this.#views = undefined
  }

  /** Where the first token of a row's head stands in the data. */
  #place(buffer: number, row: number, head: number): number {
    const { kvHeads, headDim } = this.#shape
    return ((buffer * this.#rowCapacity + row) * kvHeads + head) * this.#tokenCapacity * headDim
  }

  #copyRowTo(to: KvCache<Values>, fromRow: number, toRow: number): void {
    const { layers, kvHeads, headDim } = this.#shape
    const size = this.length(fromRow) * headDim
    for (let buffer = 0; buffer < 2 * layers; buffer++) {
      for (let head = 0; head < kvHeads; head++) {
        const start = this.#place(buffer, fromRow, head)
        to.#data.set(this.#data.subarray(start, start + size), to.#place(buffer, toRow, head))
      }
    }
  }
}

// For the few values of one token a loop is faster than `set` with a new view.
function copyValues(from: CacheValues, start: number, to: CacheValues, at: number, size: number): void {
  if (size > 1024) return to.set(from.subarray(start, start + size), at)
  for (let i = 0; i < size; i++) to[at + i] = from[start + i]!
}
