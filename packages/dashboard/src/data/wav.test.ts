import { expect, test } from 'vitest'
import { encodeWav } from './wav.js'

test('writes a header that says what follows', () => {
  const bytes = Buffer.from(encodeWav(Float32Array.of(0, 1, -1, 2), 16_000))
  expect(bytes.toString('latin1', 0, 4)).toBe('RIFF')
  expect(bytes.readUInt32LE(4)).toBe(bytes.length - 8)
  expect(bytes.readUInt16LE(22)).toBe(1)
  expect(bytes.readUInt32LE(24)).toBe(16_000)
  expect(bytes.readUInt32LE(40)).toBe(8)
  expect([0, 1, 2, 3].map((i) => bytes.readInt16LE(44 + i * 2))).toEqual([0, 32_767, -32_767, 32_767])
})
