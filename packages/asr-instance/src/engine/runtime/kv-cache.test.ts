import { describe, expect, test } from 'vitest'
import { ArrayPool, type CacheValues } from './array-pool.js'
import { cacheParts, KvCache, type HostFormat } from './kv-cache.js'

const arrays = { float32: Float32Array, float16: Uint16Array, uint8: Uint8Array, int8: Int8Array }

/** Depends on everything, and fits into the smallest type. */
function value(part: number, name: number, layer: number, head: number, token: number, i: number): number {
  return (part * 31 + name * 41 + layer * 17 + head * 59 + token * 7 + i * 3) % 127
}

// Values of 8 and 16 bits are copied by words where a token is a whole number of them.
const cases = (['float32', 'float16', 'int8'] as const).flatMap((format) =>
  [3, 8].map((headDim): [HostFormat, number] => [format, headDim]),
)

describe.each(cases)('%s, heads of %i', (format, headDim) => {
  const shape = { layers: 2, kvHeads: 2, headDim }
  const parts = cacheParts(format, shape)

  /** New slices of each part, of rows with these names. */
  function slices(rowNames: readonly number[], firstToken: number, tokens: number): CacheValues[] {
    return parts.map(({ width, type }, part) => {
      const out: number[] = []
      for (let layer = 0; layer < shape.layers; layer++)
        for (const name of rowNames)
          for (let head = 0; head < shape.kvHeads; head++)
            for (let token = 0; token < tokens; token++)
              for (let i = 0; i < width; i++) out.push(value(part, name, layer, head, firstToken + token, i))
      return arrays[type].from(out)
    })
  }

  function expectRow(cache: KvCache, row: number, name: number, length: number): void {
    expect(cache.length(row)).toBe(length)
    const { capacity } = cache
    for (const [part, { width, isTurned }] of parts.entries())
      for (let layer = 0; layer < shape.layers; layer++) {
        const values = cache.views[part]![layer]!
        for (let head = 0; head < shape.kvHeads; head++) {
          const start = (row * shape.kvHeads + head) * capacity * width
          const found: number[] = []
          const expected: number[] = []
          for (let token = 0; token < length; token++)
            for (let i = 0; i < width; i++) {
              found.push(values[start + (isTurned ? i * capacity + token : token * width + i)]!)
              expected.push(value(part, name, layer, head, token, i))
            }
          expect(found).toEqual(expected)
        }
      }
  }

  const pool = new ArrayPool()

  function prepared(name: number, tokens: number): KvCache {
    const cache = new KvCache(shape, { format, pool })
    cache.addRow()
    cache.append(slices([name], 0, tokens), tokens)
    return cache
  }

  test('a row goes to another thread with its memory, and the memory comes back', () => {
    const one = prepared(5, 9)
    const sent = one.detach()
    expect(one.rows).toBe(0)
    const given: unknown[] = []
    const lender = { take: () => expect.fail('it does not grow'), give: (used: unknown) => given.push(used) }
    const attached = KvCache.attach(shape, sent, lender)
    expectRow(attached, 0, 5, 9)
    const cache = new KvCache(shape, { format, mostRows: 4, pool })
    // Also as the first row of a batch, which takes over the memory of a cache from its own pool.
    cache.adopt(attached)
    expect(given).toEqual([sent.data])
    cache.adopt(prepared(6, 70))
    expectRow(cache, 0, 5, 9)
    expectRow(cache, 1, 6, 70)
    // What it was can hold another row.
    one.addRow()
    one.append(slices([7], 0, 4), 4)
    expectRow(one, 0, 7, 4)
  })

  test('rows join, grow past the capacity, leave, and keep their own content', () => {
    const cache = new KvCache(shape, { format, mostRows: 4, pool })
    for (const name of [1, 2, 3]) cache.adopt(prepared(name, 60))
    for (let token = 60; token < 130; token++) cache.append(slices([1, 2, 3], token, 1), 1)
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
})

test('one that is never empty has room for a token in a row without any', () => {
  const cache = new KvCache({ layers: 2, kvHeads: 2, headDim: 3 }, { format: 'int8', isNeverEmpty: true })
  cache.addRow()
  expect(cache.length(0)).toBe(0)
  expect(cache.capacity).toBeGreaterThan(0)
  expect(cache.views[0]![0]!.length).toBeGreaterThan(0)
})
