import { ort } from './onnxruntime.js'
import { beforeAll, expect, test } from 'vitest'
import type { ModelConfig } from '../checkpoint/model-config.js'
import { DeviceCache, type CacheBlock } from './device-cache.js'
import { OnnxCacheDevice } from './onnx-cache-device.js'

const text = { layers: 2, kvHeads: 2, headDim: 3 } as ModelConfig['text']
const alive = new Set<ort.Tensor>()
let device: OnnxCacheDevice

beforeAll(async () => {
  device = await OnnxCacheDevice.create(text, 'float', {})
})

/** What a run would leave: `tokens` more columns, whose values name the row (by its sum so far) and the place. */
function append(cache: DeviceCache, block: CacheBlock, names: readonly number[], tokens: number): void {
  const span = block.span + tokens
  const tensors = block.tensors.map((tensor, index) => {
    const keys = index % 2 === 0
    const dims = keys ? [block.rows, 2, 1, 3, span] : [block.rows, 2, 1, span, 3]
    const data = new Float32Array(block.rows * 6 * span)
    const old = tensor.data as Float32Array
    for (let row = 0; row < block.rows; row++)
      for (let head = 0; head < 2; head++)
        for (let i = 0; i < 3; i++)
          for (let column = 0; column < span; column++) {
            const at = (columns: number) =>
              (row * 2 + head) * 3 * columns + (keys ? i * columns + column : column * 3 + i)
            const token = cache.length(row) + column - block.span
            const value = names[row]! * 1000 + index * 100 + token + head / 10 + i / 100
            data[at(span)] = column < block.span ? old[at(block.span)]! : value
          }
    const made = new ort.Tensor('float32', data, dims)
    alive.add(made)
    return made
  })
  cache.advance({ tensors, rows: block.rows, span, uses: 0 }, tokens)
}

async function feed(cache: DeviceCache, names: readonly number[], tokens: number): Promise<void> {
  append(cache, await cache.settle(), names, tokens)
}

async function prepared(name: number, tokens: number): Promise<DeviceCache> {
  const cache = new DeviceCache(device)
  cache.addRow()
  await feed(cache, [name], tokens)
  return cache
}

/** Rows hold exactly their own tokens, in order, at the end of the span. */
async function expectRows(cache: DeviceCache, names: readonly number[], lengths: readonly number[]) {
  const { tensors, span, rows } = await cache.settle()
  expect(rows).toBe(names.length)
  for (const [index, tensor] of tensors.entries()) {
    const data = tensor.data as Float32Array
    for (const [row, name] of names.entries()) {
      expect(cache.length(row)).toBe(lengths[row])
      for (let token = 0; token < lengths[row]!; token++) {
        const column = span - lengths[row]! + token
        const at = row * 6 * span + (index % 2 === 0 ? column : column * 3)
        expect(data[at]).toBeCloseTo(name * 1000 + index * 100 + token, 2)
      }
    }
  }
}

test('rows join, grow, leave in any order, and keep their own content', async () => {
  const batch = new DeviceCache(device)
  batch.adopt(await prepared(1, 5))
  await feed(batch, [1], 1)
  batch.adopt(await prepared(2, 90))
  batch.adopt(await prepared(3, 2))
  await feed(batch, [1, 2, 3], 1)
  await expectRows(batch, [1, 2, 3], [7, 91, 3])
  batch.removeRow(0)
  batch.adopt(await prepared(4, 4))
  await feed(batch, [3, 2, 4], 1)
  await expectRows(batch, [3, 2, 4], [4, 92, 5])
  batch.removeRow(1)
  await expectRows(batch, [3, 4], [4, 5])
  expect((await batch.settle()).span).toBeLessThan(92)
})

test('a cut prompt continues, and its copy is not touched', async () => {
  const kept = await prepared(1, 9)
  const batch = new DeviceCache(device)
  batch.copy(kept)
  await feed(batch, [1], 2)
  kept.truncate(4)
  await feed(kept, [1], 3)
  await expectRows(kept, [1], [7])
  await expectRows(batch, [1], [11])
})

test('what no row uses is given back', async () => {
  const before = alive.size
  const a = await prepared(1, 3)
  const b = await prepared(2, 3)
  a.adopt(b)
  await feed(a, [1, 2], 1)
  a.removeRow(1)
  a.removeRow(0)
  expect(alive.size).toBeGreaterThan(before)
  // A tensor that was given back has no data any more.
  for (const tensor of [...alive].slice(before)) expect(() => tensor.data).toThrow(/disposed/)
})
