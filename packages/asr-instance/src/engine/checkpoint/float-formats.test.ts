import { expect, test } from 'vitest'
import { float16Value, toFloat16Bits, toFloat32 } from './float-formats.js'

test('every binary16 pattern survives the way to float32 and back', () => {
  for (let half = 0; half < 65536; half++) {
    const value = float16Value(half)
    if (Number.isNaN(value)) expect(float16Value(toFloat16Bits(value))).toBeNaN()
    else expect(toFloat16Bits(value)).toBe(half)
  }
})

test('float32 to binary16 rounds to nearest even and overflows to infinity', () => {
  expect(float16Value(toFloat16Bits(1 + 2 ** -11))).toBe(1)
  expect(float16Value(toFloat16Bits(1 + 3 * 2 ** -11))).toBe(1 + 2 ** -9)
  expect(float16Value(toFloat16Bits(65520))).toBe(Number.POSITIVE_INFINITY)
})

test('bf16, f16 and f32 bytes are read as the same numbers', () => {
  const values = [1, -2.5, 0.15625, 0]
  const bf16 = Uint16Array.from(values, (value) => new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16)
  const f16 = Uint16Array.from(values, toFloat16Bits)
  const bytes = (array: ArrayBufferView) => new Uint8Array(array.buffer)
  expect([...toFloat32(bytes(bf16), 'BF16')]).toEqual(values)
  expect([...toFloat32(bytes(f16), 'F16')]).toEqual(values)
  expect([...toFloat32(bytes(Float32Array.from(values)), 'F32')]).toEqual(values)
})
