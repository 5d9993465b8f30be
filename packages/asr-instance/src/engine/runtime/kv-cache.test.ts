import { expect, test } from 'vitest'
import { KvCache } from './kv-cache.js'

const shape = { layers: 2, kvHeads: 2, headDim: 3 }

/** Slices whose every value names its row, token and place. */
function slices(rowNames: readonly number[], firstToken: number, tokens: number): Float32Array {
  const out: number[] = []
  for (let layer = 0; layer < shape.layers; layer++)
    for (const name of rowNames)
      for (let head = 0; head < shape.kvHeads; head++)
        for (let token = 0; token < tokens; token++)
          for (let i = 0; i < shape.headDim; i++) out.push(value(name, layer, head, firstToken + token, i))
  return Float32Array.from(out)
}

function value(name: number, layer: number, head: number, token: number, i: number): number {
  return name * 1e5 + layer * 1e4 + head * 1000 + token * 10 + i
}

function expectRow(cache: KvCache, row: number, name: number, length: number): void {
  expect(cache.length(row)).toBe(length)
  for (let layer = 0; layer < shape.layers; layer++) {
    const keys = cache.views[2 * layer]!
    for (let head = 0; head < shape.kvHeads; head++)
      for (let token = 0; token < length; token++)
        for (let i = 0; i < shape.headDim; i++)
          expect(keys[((row * shape.kvHeads + head) * cache.capacity + token) * shape.headDim + i]).toBe(
            value(name, layer, head, token, i),
          )
  }
}

function prepared(name: number, tokens: number): KvCache {
  const cache = new KvCache(shape)
  cache.addRow()
  const part = slices([name], 0, tokens)
  cache.append(part, part, tokens)
  return cache
}

test('rows join, grow past the capacity, leave, and keep their own content', () => {
  const cache = new KvCache(shape, "float32", 4)
  cache.adopt(prepared(1, 60))
  cache.adopt(prepared(2, 60))
  cache.adopt(prepared(3, 60))
  for (let token = 60; token < 130; token++) {
    const step = slices([1, 2, 3], token, 1)
    cache.append(step, step, 1)
  }
  for (const row of [0, 1, 2]) expectRow(cache, row, row + 1, 130)
  expect(cache.capacity % 64).toBe(0)

  cache.removeRow(0)
  expectRow(cache, 0, 3, 130)
  expectRow(cache, 1, 2, 130)
  cache.adopt(prepared(4, 7))
  expectRow(cache, 2, 4, 7)
  for (let row = 2; row >= 0; row--) cache.removeRow(row)
  expect(cache.rows).toBe(0)
  expect(cache.capacity).toBe(0)
})
