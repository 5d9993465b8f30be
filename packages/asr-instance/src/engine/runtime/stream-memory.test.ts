import { describe, expect, test } from 'vitest'
import { audioTokens } from '../features/audio-tokens.js'
import { LogMelExtractor } from '../features/log-mel.js'
import { EncoderRunner } from './encoder-runner.js'
import { KvCache } from './kv-cache.js'
import { PagePool } from './page-pool.js'
import { PagedCache, takePages } from './paged-cache.js'
import { prepareRow, type PreparationModel } from './preparation.js'
import type { DecoderOutput } from './sequence-cache.js'
import { StreamMemory } from './stream-memory.js'

/** A model that notes what it is made to compute; features of a window are the mean of its frames. */
function countingModel() {
  const encoded: number[] = []
  const fed: number[] = []
  const frames = EncoderRunner.prototype
  // Windows of 26 tokens, 2 s.
  const runner = new EncoderRunner({} as ConstructorParameters<typeof EncoderRunner>[0], 1, 26)
  const model: PreparationModel = {
    mel: new LogMelExtractor(),
    encoder: {
      windowCount: frames.windowCount.bind(runner),
      settledFrames: frames.settledFrames.bind(runner),
      async encode(mel, first, count) {
        const tokens = Math.min(count * 26, audioTokens(mel.frames) - first * 26)
        encoded.push(first)
        return Float32Array.from({ length: tokens }, (_, token) => {
          const from = (first + Math.floor(token / 26)) * 200
          return mel.values.slice(from, Math.min(from + 200, mel.frames)).reduce((a, b) => a + b, 0)
        })
      },
    },
    decoder: {
      newCache: (rows) =>
        new KvCache({ layers: 1, kvHeads: 1, headDim: 1 }, { format: 'float32', mostRows: rows }),
      async step(cache: KvCache, embeds: Float32Array, tokens: number): Promise<DecoderOutput> {
        fed.push(tokens)
        // Its key is the embedding of each token, so that the cache tells what was fed.
        cache.append([embeds, embeds], tokens)
        return { tokens: [1], logprobs: [0], logits: undefined }
      },
    },
    embeddings: { rows: (tokens) => Float32Array.from(tokens) },
    hidden: 1,
  }
  const prepare = async (samples: Float32Array, after: number[], memory?: StreamMemory) => {
    encoded.length = 0
    fed.length = 0
    const request = { id: 0, samples, before: [1, 2, 3], after, maxNewTokens: 1, temperature: 0 }
    const steps = prepareRow(model, request, () => true, memory)
    for (;;) {
      const step = await steps.next()
      if (!step.done) continue
      const cache = step.value.cache as KvCache
      return { keys: cache.views[0]!.slice(0, cache.length(0)), encoded: [...encoded], fed: [...fed] }
    }
  }
  return { prepare }
}

const tone = (seconds: number, amplitude = 0.1) =>
  Float32Array.from(
    { length: seconds * 16_000 },
    (_, i) => amplitude * Math.sin(i / 7) + 0.01 * Math.sin(i / 3),
  )

describe('a growing recording', () => {
  test('encodes a finished window once, and feeds only what is new behind the finished ones', async () => {
    const { prepare } = countingModel()
    const memory = new StreamMemory()
    const counts: [windows: number[], fed: number[]][] = []
    for (const [seconds, after] of [
      [2, [9]],
      [4, [9, 5]],
      [6, [9, 5, 6]],
      [6.5, [9, 5, 6]],
    ] as const) {
      const { keys, encoded, fed } = await prepare(tone(seconds), [...after], memory)
      expect(keys).toEqual((await countingModel().prepare(tone(seconds), [...after])).keys)
      counts.push([encoded, fed])
    }
    expect(counts).toEqual([
      [[0], [3 + 26 + 1]],
      // The last frame of the first window had no sound behind it before.
      [[0, 1], [26 + 26 + 2]],
      [[1, 2], [26 + 26 + 3]],
      [[2, 3], [26 + 7 + 3]],
    ])
  })

  test('the same again costs one token, and other text what follows it', async () => {
    const { prepare } = countingModel()
    const memory = new StreamMemory()
    await prepare(tone(3), [9, 8, 7, 6], memory)
    expect((await prepare(tone(3), [9, 8, 7, 6], memory)).fed).toEqual([1])
    expect((await prepare(tone(3), [9, 8, 5], memory)).fed).toEqual([1])
    expect((await prepare(tone(3), [9], memory)).fed).toEqual([1])
  })

  test('one prompt is kept, and the memory of another before it given back', () => {
    const pool = new PagePool()
    pool.grow(8)
    const prompt = () => {
      const cache = new PagedCache(pool)
      const row = cache.list[cache.addRow()]!
      takePages(pool, row, 1)
      row.length = 1
      return cache
    }
    const memory = new StreamMemory()
    memory.keepPrompt(Float32Array.of(1), prompt())
    memory.keepPrompt(Float32Array.of(2), prompt())
    expect(pool.free).toBe(7)
    memory.release()
    expect(pool.free).toBe(8)
  })

  test('a louder peak that lifts the floor changes all windows', async () => {
    const { prepare } = countingModel()
    const memory = new StreamMemory()
    const quiet = new Float32Array(16_000 * 4)
    quiet.set(tone(3, 1e-3), 16_000)
    const louder = new Float32Array(16_000 * 5)
    louder.set(quiet)
    louder.set(tone(1, 0.9), 16_000 * 4)
    expect((await prepare(quiet, [9], memory)).encoded).toEqual([0, 1])
    const { keys, encoded } = await prepare(louder, [9], memory)
    expect(encoded).toEqual([0, 1, 2])
    expect(keys).toEqual((await countingModel().prepare(louder, [9])).keys)
  })

  test('another recording shares nothing but the words before the sound', async () => {
    const { prepare } = countingModel()
    const memory = new StreamMemory()
    await prepare(tone(5), [9], memory)
    const { keys, encoded, fed } = await prepare(tone(5, 0.3), [9], memory)
    expect(encoded).toEqual([0, 1, 2])
    expect(fed).toEqual([5 * 13 + 1])
    expect(keys).toEqual((await countingModel().prepare(tone(5, 0.3), [9])).keys)
  })
})
