/** Values that share one scale; the block length of MatMulNBits. */
export const blockLength = 32

export type WeightBits = 4 | 8

export interface QuantizedRows {
  /** `[rows, ceil(columns / 32), 32 * bits / 8]`, first value in the low nibble. */
  values: Uint8Array
  /** `[rows, ceil(columns / 32)]` */
  scales: Float32Array
}

/**
 * Symmetric round-to-nearest in blocks of 32 along a row, in the layout of onnxruntime's `MatMulNBits` with its
 * implied zero point (8 or 128). At 4 bits the value of largest magnitude maps to -8 exactly, as in GGML's Q4_0:
 * the whole range is used and the block's peak, which matters most, is kept.
 */
export function quantizeRows(rows: Float32Array, columns: number, bits: WeightBits): QuantizedRows {
  const blocksPerRow = Math.ceil(columns / blockLength)
  const rowCount = rows.length / columns
  const blockBytes = (blockLength * bits) / 8
  const values = new Uint8Array(rowCount * blocksPerRow * blockBytes)
  const scales = new Float32Array(rowCount * blocksPerRow)
  const quantizeBlock = bits === 4 ? quantizeBlock4 : quantizeBlock8
  for (let row = 0, block = 0; row < rowCount; row++) {
    for (let column = 0; column < columns; column += blockLength, block++) {
      const from = row * columns + column
      const to = Math.min(from + blockLength, (row + 1) * columns)
      scales[block] = quantizeBlock(rows, from, to, values, block * blockBytes)
    }
  }
  return { values, scales }
}

function quantizeBlock8(
  source: Float32Array,
  from: number,
  to: number,
  target: Uint8Array,
  at: number,
): number {
  const scale = Math.fround(Math.abs(largestValue(source, from, to)) / 127)
  const inverse = scale === 0 ? 0 : 1 / scale
  target.fill(128, at, at + blockLength)
  for (let i = from; i < to; i++) {
    const quantized = Math.round((source[i] as number) * inverse)
    target[at + i - from] = 128 + Math.max(-128, Math.min(127, quantized))
  }
  return scale
}

function quantizeBlock4(
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
