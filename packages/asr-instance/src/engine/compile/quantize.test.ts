import { expect, test } from 'vitest'
import { quantizeRows, type WeightBits } from './quantize.js'

function dequantize(rows: Float32Array, columns: number, bits: WeightBits): Float32Array {
  const { values, scales } = quantizeRows(rows, columns, bits)
  const blocks = Math.ceil(columns / 32)
  return rows.map((_, i) => {
    const row = Math.floor(i / columns)
    const column = i % columns
    const block = row * blocks + Math.floor(column / 32)
    const place = column % 32
    if (bits === 8) return (values[block * 32 + place]! - 128) * scales[block]!
    const byte = values[block * 16 + (place >> 1)]!
    return ((place & 1 ? byte >> 4 : byte & 15) - 8) * scales[block]!
  })
}

test.each([
  [8, 1 / 254],
  [4, 1 / 8],
] as const)(
  '%d bits: no weight is further off than its step, and a ragged last block is whole',
  (bits, relative) => {
    const columns = 70
    const rows = Float32Array.from({ length: 3 * columns }, (_, i) => Math.sin(i * 1.7) * (1 + (i % 5)))
    const back = dequantize(rows, columns, bits)
    for (let i = 0; i < rows.length; i++) {
      const blockStart = Math.floor((i % columns) / 32) * 32 + Math.floor(i / columns) * columns
      const peak = Math.max(
        ...rows
          .subarray(blockStart, Math.min(blockStart + 32, blockStart - (blockStart % columns) + columns))
          .map(Math.abs),
      )
      expect(Math.abs(back[i]! - rows[i]!)).toBeLessThanOrEqual(peak * relative * 1.001)
    }
  },
)

test('a block of zeros stays zero', () => {
  expect(dequantize(new Float32Array(32), 32, 4).every((value) => value === 0)).toBe(true)
  expect(dequantize(new Float32Array(32), 32, 8).every((value) => value === 0)).toBe(true)
})
