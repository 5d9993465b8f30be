import { TransposedMatrix } from './transposed-matrix.js'

/** Values that share one scale at 4 bits; the block length of MatMulNBits. */
export const blockLength = 32

export interface QuantizedBlocks {
  /** `[rows, ceil(columns / 32), 16]`, first value in the low nibble. */
  values: Uint8Array
  /** `[rows, ceil(columns / 32)]` */
  scales: Float32Array
}

/**
 * 4 bits, symmetric round-to-nearest in blocks of 32 along a row, in the layout of onnxruntime's `MatMulNBits` with its
 * implied zero point 8. The value of largest magnitude maps to -8 exactly, as in GGML's Q4_0: the whole range is used
 * and the block's peak, which matters most, is kept.
 */
export function quantizeBlocks(rows: Float32Array, columns: number): QuantizedBlocks {
  const blocksPerRow = Math.ceil(columns / blockLength)
  const rowCount = rows.length / columns
  const blockBytes = blockLength / 2
  const values = new Uint8Array(rowCount * blocksPerRow * blockBytes)
  const scales = new Float32Array(rowCount * blocksPerRow)
  for (let row = 0, block = 0; row < rowCount; row++) {
    for (let column = 0; column < columns; column += blockLength, block++) {
      const from = row * columns + column
      const to = Math.min(from + blockLength, (row + 1) * columns)
      scales[block] = quantizeBlock(rows, from, to, values, block * blockBytes)
    }
  }
  return { values, scales }
}

function quantizeBlock(
  source: Float32Array,
  from: number,
  to: number,
  target: Uint8Array,
  at: number,
): number {
  const scale = Math.fround(largestValue(source, from, to) / -8)
  const inverse = scale === 0 ? 0 : 1 / scale
  target.fill(0x88, at, at + blockLength / 2)
  for (let i = from; i < to; i++) {
    const quantized = 8 + Math.max(-8, Math.min(7, Math.round((source[i] as number) * inverse)))
    const byte = at + ((i - from) >> 1)
    const previous = target[byte] as number
    target[byte] = (i - from) & 1 ? (previous & 0x0f) | (quantized << 4) : (previous & 0xf0) | quantized
  }
  return scale
}

/** The value of largest magnitude, with its sign. */
function largestValue(source: Float32Array, from: number, to: number): number {
  let largest = 0
  for (let i = from; i < to; i++) {
    const value = source[i] as number
    if (Math.abs(value) > Math.abs(largest)) largest = value
  }
  return largest
}

/**
 * 8 bits, symmetric round-to-nearest, one scale per row of the checkpoint's matrix. Collects rows into the transposed
 * matrix `[columns, rows]` that integer matrix products want.
 */
export class ColumnQuantizer {
  readonly scales: Float32Array
  readonly columns: number
  readonly #matrix: TransposedMatrix<Int8Array>
  #rows = 0

  constructor(rows: number, columns: number) {
    this.scales = new Float32Array(rows)
    this.columns = columns
    this.#matrix = new TransposedMatrix(new Int8Array(rows * columns), rows, columns)
  }

  get values(): Int8Array {
    return this.#matrix.values
  }

  /** The next rows, `[count, columns]`. */
  append(rows: Float32Array): void {
    const quantized = new Int8Array(rows.length)
    for (let from = 0; from < rows.length; from += this.columns, this.#rows++) {
      const to = from + this.columns
      const scale = Math.abs(largestValue(rows, from, to)) / 127
      this.scales[this.#rows] = scale
      const inverse = scale === 0 ? 0 : Math.fround(1 / scale)
      for (let i = from; i < to; i++) quantized[i] = Math.round(rows[i]! * inverse)
    }
    this.#matrix.append(quantized)
  }
}
