import { toFloat16 } from '../checkpoint/float-formats.js'

/** Collects the rows of a matrix into its transpose `[columns, rows]`, in float32 or float16. */
export class ColumnCollector {
  readonly values: Float32Array | Uint16Array
  readonly #rows: number
  readonly #columns: number
  #next = 0

  constructor(rows: number, columns: number, half: boolean) {
    this.values = half ? new Uint16Array(rows * columns) : new Float32Array(rows * columns)
    this.#rows = rows
    this.#columns = columns
  }

  /** The next rows, `[count, columns]`. */
  append(block: Float32Array): void {
    const values = this.values instanceof Uint16Array ? toFloat16(block) : block
    const count = block.length / this.#columns
    for (let column = 0; column < this.#columns; column++) {
      const target = column * this.#rows + this.#next
      for (let row = 0; row < count; row++) this.values[target + row] = values[row * this.#columns + column]!
    }
    this.#next += count
  }
}
