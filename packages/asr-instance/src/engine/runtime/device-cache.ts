import type { ort } from './onnxruntime.js'
import type { SequenceCache } from './sequence-cache.js'

/** Keys and values of some rows on the device, as one run left them. Never changed, only replaced. */
export interface CacheBlock {
  readonly tensors: readonly ort.Tensor[]
  readonly rows: number
  /** Columns, of which each row uses a stretch. */
  readonly span: number
  /** Rows of caches that refer to it; at 0 the device's memory is given back. */
  uses: number
}

/** What the device can do with blocks; each call makes a new one. */
export interface CacheDevice {
  empty(): CacheBlock
  /** Rows in the given order, columns `[from, to)`. */
  select(block: CacheBlock, rows: readonly number[], from: number, to: number): Promise<CacheBlock>
  /** The rows of both, each filled up at the beginning to the longer span. */
  join(a: CacheBlock, b: CacheBlock): Promise<CacheBlock>
}

interface Row {
  block: CacheBlock | undefined
  index: number
  /** The row uses the columns `[end - length, end)` of the block. */
  end: number
  length: number
}

/** More unused columns than this at the beginning of all rows are cut off. */
const mostUnusedColumns = 64

/**
 * Keys and values that stay on the device. A step appends a column to all rows, so every row ends at the last column and
 * begins somewhere; rows that join or leave only change the list of rows, and `settle` rearranges the tensors once
 * before the next step.
 */
export class DeviceCache implements SequenceCache {
  readonly #device: CacheDevice
  #rows: Row[] = []

  constructor(device: CacheDevice) {
    this.#device = device
  }

  get rows(): number {
    return this.#rows.length
  }

  length(row: number): number {
    return this.#rows[row]!.length
  }

  addRow(): number {
    return this.#rows.push({ block: undefined, index: 0, end: 0, length: 0 }) - 1
  }

  truncate(length: number): void {
    const row = this.#rows[0]!
    const dropped = Math.max(0, row.length - length)
    row.length -= dropped
    row.end -= dropped
  }

  adopt(other: DeviceCache): number {
    const [row] = other.#rows.splice(0) as [Row]
    return this.#rows.push(row) - 1
  }

  copy(other: DeviceCache): number {
    const row = { ...other.#rows[0]! }
    if (row.block) row.block.uses++
    return this.#rows.push(row) - 1
  }

  removeRow(row: number): void {
    release(this.#rows[row]!.block)
    const last = this.#rows.pop()!
    if (row < this.#rows.length) this.#rows[row] = last
  }

  /** One block with this cache's rows in order, each ending at its last column. */
  async settle(): Promise<CacheBlock> {
    for (const row of this.#rows) {
      if (row.block) continue
      row.block = this.#device.empty()
      row.block.uses = 1
      row.end = row.block.span
    }
    const [first] = this.#rows as [Row]
    if (this.#isSettled(first)) return first.block!
    const settled = await this.#rearranged()
    for (const [index, row] of this.#rows.entries()) this.#move(row, settled, index)
    return settled
  }

  async #rearranged(): Promise<CacheBlock> {
    const order: Row[] = []
    let result: CacheBlock | undefined
    const replace = (next: CacheBlock, ...used: CacheBlock[]) => {
      for (const block of used) dispose(block)
      result = next
    }
    for (const block of new Set(this.#rows.map((row) => row.block!))) {
      const rows = this.#rows.filter((row) => row.block === block)
      const end = Math.max(1, rows[0]!.end)
      // At least one column, because not every device knows empty tensors.
      const from = end - Math.max(1, ...rows.map((row) => row.length))
      const indices = rows.map((row) => row.index)
      const selected = await this.#device.select(block, indices, from, end)
      if (result) replace(await this.#device.join(result, selected), result, selected)
      else result = selected
      order.push(...rows)
    }
    const places = this.#rows.map((row) => order.indexOf(row))
    if (places.some((place, index) => place !== index)) {
      replace(await this.#device.select(result!, places, 0, result!.span), result!)
    }
    return result!
  }

  /** The decoder appended `tokens` columns to all rows of the settled block. */
  advance(block: CacheBlock, tokens: number): void {
    for (const [index, row] of this.#rows.entries()) {
      row.length += tokens
      this.#move(row, block, index)
    }
  }

  #move(row: Row, block: CacheBlock, index: number): void {
    release(row.block)
    block.uses++
    row.block = block
    row.index = index
    row.end = block.span
  }

  #isSettled({ block }: Row): boolean {
    const longest = Math.max(...this.#rows.map((row) => row.length))
    return (
      block!.rows === this.#rows.length &&
      block!.span - longest <= mostUnusedColumns &&
      this.#rows.every((row, index) => row.block === block && row.index === index && row.end === block!.span)
    )
  }
}

function release(block: CacheBlock | undefined): void {
  if (block && --block.uses === 0) dispose(block)
}

function dispose(block: CacheBlock): void {
  for (const tensor of block.tensors) tensor.dispose()
}
