// Rows that are written together, so that writes to the transpose stay close to each other.
const tileRows = 64

/** Collects the rows of a matrix into its transpose `[columns, rows]`. */
export class TransposedMatrix<Values extends Float32Array | Uint16Array | Int8Array> {
  readonly values: Values
  readonly #rows: number
  readonly #columns: number
  #next = 0

  /** `values`: an array of `rows * columns` to be filled. */
  constructor(values: Values, rows: number, columns: number) {
    this.values = values
    this.#rows = rows
    this.#columns = columns
  }

  /** The next rows, `[count, columns]`. */
  append(block: ArrayLike<number>): void {
    const columns = this.#columns
    const count = block.length / columns
    for (let from = 0; from < count; from += tileRows) {
      const to = Math.min(from + tileRows, count)
      for (let column = 0; column < columns; column++) {
        const target = column * this.#rows + this.#next
        for (let row = from; row < to; row++) this.values[target + row] = block[row * columns + column]!
      }
    }
    this.#next += count
  }
}
