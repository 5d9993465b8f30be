import { expect, test } from 'vitest'
import { ColumnQuantizer, quantizeBlocks } from './quantize.js'

const columns = 70
const matrix = Float32Array.from({ length: 3 * columns }, (_, i) => Math.sin(i * 1.7) * (1 + (i % 5)))

function peak(values: Float32Array): number {
  return Math.max(...values.map(Math.abs))
}

test('4 bits: no weight is further off than its step, and a ragged last block is whole', () => {
  const { values, scales } = quantizeBlocks(matrix, columns)
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < columns; column++) {
      const block = row * 3 + (column >> 5)
      const byte = values[block * 16 + ((column % 32) >> 1)]!
      const back = ((column & 1 ? byte >> 4 : byte & 15) - 8) * scales[block]!
      const from = row * columns + (column & ~31)
      const largest = peak(matrix.subarray(from, Math.min(from + 32, (row + 1) * columns)))
      expect(Math.abs(back - matrix[row * columns + column]!)).toBeLessThanOrEqual((largest / 8) * 1.001)
    }
  }
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
  expect(quantizeBlocks(new Float32Array(32), 32).scales[0]).toBeCloseTo(0, 30)
  const quantizer = new ColumnQuantizer(1, 32)
  quantizer.append(new Float32Array(32))
  expect(quantizer.values).toEqual(new Int8Array(32))
})
