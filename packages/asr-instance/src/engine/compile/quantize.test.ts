import { expect, test } from 'vitest'
import { ColumnQuantizer, quantizeBlocks, quantizeByteBlocks } from './quantize.js'

const columns = 70
const matrix = Float32Array.from({ length: 3 * columns }, (_, i) => Math.sin(i * 1.7) * (1 + (i % 5)))

function peak(values: Float32Array): number {
  return Math.max(...values.map(Math.abs))
}

function restored(length: number, bytes: Uint8Array, scales: Float32Array): Float32Array {
  const blocks = Math.ceil(columns / length)
  return matrix.map((_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns]
    const block = row * blocks + Math.floor(column / length)
    const byte = bytes[(block * length + (column % length)) >> 1]!
    return ((column & 1 ? byte >> 4 : byte & 15) - 8) * scales[block]!
  })
}

const squaredError = (values: Float32Array): number =>
  values.reduce((sum, value, i) => sum + (value - matrix[i]!) ** 2, 0)

test.each([32, 128])(
  '4 bits in blocks of %i: weights are near, and a ragged last block is whole',
  (length) => {
    const { values, scales } = quantizeBlocks(matrix, columns, length)
    const back = restored(length, values, scales)
    for (let i = 0; i < matrix.length; i++) {
      const from = i - ((i % columns) % length)
      const end = Math.min(from + length, (Math.floor(i / columns) + 1) * columns)
      // A step is at most an eighth of the peak, of which a fifth may be cut off.
      expect(Math.abs(back[i]! - matrix[i]!)).toBeLessThanOrEqual(peak(matrix.subarray(from, end)) * 0.2001)
    }
  },
)

test('4 bits: the scale leaves no more error than that of the peak', () => {
  const { values, scales } = quantizeBlocks(matrix, columns, 128)
  const fromPeak = matrix.map((value, i) => {
    const from = i - (i % columns)
    const row = matrix.subarray(from, from + columns)
    const scale = row.reduce((most, other) => (Math.abs(other) > Math.abs(most) ? other : most), 0) / -8
    return Math.max(-8, Math.min(7, Math.round(value / scale))) * scale
  })
  const error = squaredError(restored(128, values, scales))
  expect(error).toBeLessThan(squaredError(fromPeak))
})

test('8 bits in blocks: none further off than half a step of its block, and a ragged last block is whole', () => {
  const length = 32
  const { values, scales } = quantizeByteBlocks(matrix, columns, length)
  const blocks = Math.ceil(columns / length)
  expect(values).toHaveLength(3 * blocks * length)
  for (let i = 0; i < matrix.length; i++) {
    const [row, column] = [Math.floor(i / columns), i % columns]
    const block = row * blocks + Math.floor(column / length)
    const from = i - (column % length)
    const end = Math.min(from + length, (row + 1) * columns)
    const back = (values[block * length + (column % length)]! - 128) * scales[block]!
    expect(Math.abs(back - matrix[i]!)).toBeLessThanOrEqual((peak(matrix.subarray(from, end)) / 254) * 1.001)
  }
  // What fills the last block up is zero.
  expect([...values.subarray((blocks - 1) * length + (columns % length), blocks * length)]).toEqual(
    Array.from({ length: blocks * length - columns }, () => 128),
  )
})

test('8 bits: rows become columns, none further off than half a step of its row', () => {
  // More rows than a tile holds, in pieces that do not end where tiles do.
  const rows = 150
  const weights = Float32Array.from({ length: rows * columns }, (_, i) => Math.cos(i * 0.7) * (1 + (i % 11)))
  const quantizer = new ColumnQuantizer(rows, columns)
  quantizer.append(weights.subarray(0, 100 * columns))
  quantizer.append(weights.subarray(100 * columns))
  for (let row = 0; row < rows; row++) {
    const largest = peak(weights.subarray(row * columns, (row + 1) * columns))
    for (let column = 0; column < columns; column++) {
      const back = quantizer.values[column * rows + row]! * quantizer.scales[row]!
      expect(Math.abs(back - weights[row * columns + column]!)).toBeLessThanOrEqual((largest / 254) * 1.001)
    }
  }
})

test('zeros stay zero', () => {
  expect(quantizeBlocks(new Float32Array(32), 32, 32).scales[0]).toBeCloseTo(0, 30)
  expect(new Set(quantizeByteBlocks(new Float32Array(32), 32, 32).values)).toEqual(new Set([128]))
  const quantizer = new ColumnQuantizer(1, 32)
  quantizer.append(new Float32Array(32))
  expect(quantizer.values).toEqual(new Int8Array(32))
})
