import { expect, test } from 'vitest'
import { ArrayPool } from './array-pool.js'

test('what was given is taken again, by its type and the closest length', () => {
  const pool = new ArrayPool()
  const [small, large, bytes] = [new Float32Array(100), new Float32Array(300), new Uint8Array(100)]
  pool.give([large, small, bytes])
  expect(pool.take('float32', 90)).toBe(small)
  expect(pool.take('float32', 90)).toBe(large)
  expect(pool.take('int8', 100)).toBeInstanceOf(Int8Array)
  expect(pool.take('uint8', 100)).toBe(bytes)
  expect(pool.take('uint8', 100)).not.toBe(bytes)
})

test('a far larger array is kept for what needs it, and none is kept after clear', () => {
  const pool = new ArrayPool()
  const large = new Int8Array(1000)
  pool.give([large])
  expect(pool.take('int8', 10)).toHaveLength(10)
  pool.clear()
  expect(pool.take('int8', 1000)).not.toBe(large)
})

test('of the sizes that a growing cache had, the largest two are kept', () => {
  const pool = new ArrayPool()
  const sizes = [300, 400, 500, 600]
  for (const size of sizes) pool.give([new Uint8Array(size), new Float32Array(size), new Float32Array(size)])
  pool.give([new Uint8Array(10)])
  const taken = (type: 'uint8' | 'float32', length: number, count: number) =>
    Array.from({ length: count }, () => pool.take(type, length).length)
  expect(taken('uint8', 200, 3)).toEqual([500, 600, 200])
  expect(taken('float32', 200, 5)).toEqual([500, 500, 600, 600, 200])
  expect(taken('uint8', 9, 2)).toEqual([10, 9])
})
