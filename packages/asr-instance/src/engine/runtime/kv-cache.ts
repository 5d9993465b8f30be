import type { ModelConfig } from '../checkpoint/model-config.js'
import { ArrayPool, type ArrayType, type CacheValues } from './array-pool.js'
import type { SequenceCache } from './sequence-cache.js'

/** Capacity grows in steps of this many tokens: few copies, little wasted attention over empty places. */
const capacityStep = 64

export type CacheShape = Pick<ModelConfig['text'], 'layers' | 'kvHeads' | 'headDim'>
export type HostFormat = 'float32' | 'float16' | 'int8'

export interface CacheOptions {
  format: HostFormat
  /** Rows that are made room for once there is more than one. */
  mostRows?: number
  /** Where memory comes from and goes to; its own unless given. */
  pool?: Pick<ArrayPool, 'take' | 'give'>
  /** Has room for a token also when it has none: not every device knows empty tensors. */
  isNeverEmpty?: boolean
}

/** One of the kinds of tensors that a layer's past consists of. */
export interface CachePart {
  /** The decoder's inputs are called `past_<name>.<layer>`, its outputs `new_<name>`. */
  name: string
  /** Values of one token in one head. */
  width: number
  type: ArrayType
  /** A token's values stand apart from each other, next to those of the token before: `[…, width, capacity]`. */
  isTurned?: boolean
}

/** The only row of a cache as another thread can get it. */
export interface DetachedRow {
  format: HostFormat
  data: CacheValues[]
  tokenCapacity: number
  length: number
}

/** The inputs of int8-attention.ts, or keys and values as they are. */
export function cacheParts(format: HostFormat, { headDim }: Pick<CacheShape, 'headDim'>): CachePart[] {
  if (format !== 'int8') return ['k', 'v'].map((name) => ({ name, width: headDim, type: format }))
  return [
    { name: 'k', width: headDim, type: 'int8', isTurned: true },
    { name: 'v', width: headDim, type: 'int8' },
    { name: 'k_scale', width: 1, type: 'float32' },
    { name: 'v_scale', width: 1, type: 'float32' },
  ]
}

/**
 * In the host's memory, each part per layer `[rows, kvHeads, capacity, width]`, or turned. The active rows are always
 * the first ones, so that a view on a buffer's front is the decoder's input without a copy. Places beyond a row's
 * length hold finite values that the mask hides.
 */
export class KvCache implements SequenceCache {
  readonly parts: readonly CachePart[]
  readonly #shape: CacheShape
  readonly #options: CacheOptions
  readonly #pool: Pick<ArrayPool, 'take' | 'give'>
  /**
   * One allocation for all layers of a part: a large one comes from the operating system, which hands out pages only
   * when they are touched, so room for rows that may come costs nothing.
   */
  #data: CacheValues[] = []
  #views: CacheValues[][] | undefined
  #lengths: number[] = []
  #rowCapacity = 0
  #tokenCapacity = 0

  constructor(shape: CacheShape, options: CacheOptions) {
    this.parts = cacheParts(options.format, shape)
    this.#shape = shape
    this.#options = options
    this.#pool = options.pool ?? new ArrayPool()
  }

  static attach(shape: CacheShape, row: DetachedRow, pool: NonNullable<CacheOptions['pool']>): KvCache {
    const cache = new KvCache(shape, { format: row.format, pool })
    cache.#data = row.data
    cache.#rowCapacity = 1
    cache.#tokenCapacity = row.tokenCapacity
    cache.#pushRow(row.length)
    return cache
  }

  /** The only row with its memory; the cache is empty afterwards. */
  detach(): DetachedRow {
    const row = {
      format: this.#options.format,
      data: this.#data,
      tokenCapacity: this.#tokenCapacity,
      length: this.length(0),
    }
    this.#lengths = []
    this.#empty()
    return row
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

  /** Of each part, its active rows layer by layer. The same array until rows or room change. */
  get views(): readonly (readonly CacheValues[])[] {
    this.#views ??= this.#data.map((values, part) =>
      Array.from({ length: this.#shape.layers }, (_, layer) => {
        const start = this.#place(part, layer, 0, 0)
        return values.subarray(start, start + this.rows * this.#rowSize(part))
      }),
    )
    return this.#views
  }

  addRow(): number {
    this.#reserve(this.rows + 1, Math.max(this.#options.isNeverEmpty ? 1 : 0, this.#tokenCapacity))
    return this.#pushRow(0)
  }

  /** Appends the same number of tokens to each row: of each part, new slices `[layers, rows, kvHeads, tokens, width]`. */
  append(slices: readonly CacheValues[], tokens: number): void {
    const { layers, kvHeads } = this.#shape
    this.#reserve(this.rows, Math.max(...this.#lengths) + tokens)
    for (const [part, { width, isTurned }] of this.parts.entries()) {
      const { from, to, scale } = asWords(slices[part]!, this.#data[part]!, isTurned ? 1 : width)
      const size = (tokens * width) / scale
      for (let layer = 0, at = 0; layer < layers; layer++) {
        for (let row = 0; row < this.rows; row++) {
          const length = this.#lengths[row]!
          for (let head = 0; head < kvHeads; head++, at += size) {
            const begin = this.#place(part, layer, row, head)
            if (isTurned) turnValues(from, at, to, begin + length, [tokens, width], this.#tokenCapacity)
            else copyValues(from, at, to, (begin + length * width) / scale, size)
          }
        }
      }
    }
    for (let row = 0; row < this.rows; row++) this.#lengths[row]! += tokens
  }

  truncate(length: number): void {
    this.#lengths[0] = Math.min(length, this.#lengths[0]!)
  }

  adopt(other: KvCache): number {
    // Memory of another pool goes back there.
    if (this.rows > 0 || other.#pool !== this.#pool) {
      const row = this.copy(other)
      other.removeRow(0)
      return row
    }
    this.#data = other.#data
    this.#rowCapacity = other.#rowCapacity
    this.#tokenCapacity = other.#tokenCapacity
    return this.#pushRow(other.length(0))
  }

  copy(other: KvCache): number {
    this.#reserve(this.rows + 1, other.length(0))
    other.#copyRowTo(this, 0, this.rows)
    return this.#pushRow(other.length(0))
  }

  /** Gives the memory back once no row is left. */
  removeRow(row: number): void {
    const last = this.rows - 1
    if (row !== last) {
      this.#copyRowTo(this, last, row)
      this.#lengths[row] = this.#lengths[last]!
    }
    this.#lengths.pop()
    this.#views = undefined
    if (this.rows > 0) return
    this.#pool.give(this.#data)
    this.#empty()
  }

  #empty(): void {
    this.#data = []
    this.#views = undefined
    this.#rowCapacity = 0
    this.#tokenCapacity = 0
  }

  #pushRow(length: number): number {
    this.#views = undefined
    return this.#lengths.push(length) - 1
  }

  #reserve(rows: number, tokens: number): void {
    if (rows <= this.#rowCapacity && tokens <= this.#tokenCapacity) return
    const { layers } = this.#shape
    const grown = new KvCache(this.#shape, this.#options)
    grown.#rowCapacity = rows > 1 ? Math.max(rows, this.#options.mostRows ?? 1) : rows
    grown.#tokenCapacity = Math.max(Math.ceil(tokens / capacityStep) * capacityStep, this.#tokenCapacity)
    grown.#data = this.parts.map(({ type }, part) =>
      this.#pool.take(type, layers * grown.#rowCapacity * grown.#rowSize(part)),
    )
    for (let row = 0; row < this.rows; row++) this.#copyRowTo(grown, row, row)
    this.#pool.give(this.#data)
    this.#data = grown.#data
    this.#rowCapacity = grown.#rowCapacity
    this.#tokenCapacity = grown.#tokenCapacity
    this.#views = undefined
  }

  #rowSize(part: number): number {
    return this.#shape.kvHeads * this.#tokenCapacity * this.parts[part]!.width
  }

  /** Where the first token of a row's head stands in the data. */
  #place(part: number, layer: number, row: number, head: number): number {
    const { kvHeads } = this.#shape
    const at = (layer * this.#rowCapacity + row) * kvHeads + head
    return at * this.#tokenCapacity * this.parts[part]!.width
  }

  #copyRowTo(to: KvCache, fromRow: number, toRow: number): void {
    const { layers, kvHeads } = this.#shape
    const length = this.length(fromRow)
    for (const [part, { width, isTurned }] of this.parts.entries()) {
      // Of a turned part the words at the end of a line take along some places beyond the row's length.
      const { from, to: target, scale } = asWords(this.#data[part]!, to.#data[part]!, isTurned ? 4 : width)
      const lines = isTurned ? kvHeads * width : kvHeads
      const size = Math.ceil((isTurned ? length : length * width) / scale)
      const [step, targetStep] = [this.#rowSize(part) / lines / scale, to.#rowSize(part) / lines / scale]
      for (let layer = 0; layer < layers; layer++) {
        let start = this.#place(part, layer, fromRow, 0) / scale
        let at = to.#place(part, layer, toRow, 0) / scale
        if (step === targetStep) target.set(from.subarray(start, start + lines * step), at)
        else
          for (let line = 0; line < lines; line++, start += step, at += targetStep)
            copyValues(from, start, target, at, size)
      }
    }
  }
}

/** The same memory as numbers of 32 bits, each of which stands for `scale` values, where a token is a whole number of them. */
function asWords(from: CacheValues, to: CacheValues, width: number) {
  const scale = 4 / from.BYTES_PER_ELEMENT
  if (width % scale > 0 || from.byteOffset % 4 > 0) return { from, to, scale: 1 }
  const words = ({ buffer, byteOffset, byteLength }: CacheValues) =>
    new Int32Array(buffer, byteOffset, byteLength >> 2)
  return { from: words(from), to: words(to), scale }
}

// For the few values of one token a loop is faster than `set` with a new view.
function copyValues<T extends CacheValues | Int32Array>(
  from: T,
  start: number,
  to: T,
  at: number,
  size: number,
): void {
  if (size > 1024) return to.set(from.subarray(start, start + size), at)
  for (let i = 0; i < size; i++) to[at + i] = from[start + i]!
}

/** A matrix `[rows, columns]` at `start` as its columns, each of which is a stretch of a line of `to`, of `lineLength` values. */
function turnValues(
  from: CacheValues | Int32Array,
  start: number,
  to: CacheValues | Int32Array,
  at: number,
  [rows, columns]: [number, number],
  lineLength: number,
): void {
  for (let column = 0, line = at; column < columns; column++, line += lineLength) {
    for (let row = 0, read = start + column; row < rows; row++, read += columns) to[line + row] = from[read]!
  }
}
