import { expect, test } from 'vitest'
import type { EncoderRunner } from './encoder-runner.js'
import { countTogether, preparesTogether } from './prepare-together.js'
import type { Decoder, DecoderOutput, DecoderStep, SequenceCache } from './sequence-cache.js'

const seconds = (length: number) => ({ samples: new Float32Array(length * 16_000) })
const clips = (count: number, length: number) => Array.from({ length: count }, () => seconds(length))

test.each([
  { waiting: clips(3, 11), room: 8, isReadAlong: false, count: 3 },
  { waiting: clips(30, 11), room: 32, isReadAlong: false, count: 8 },
  { waiting: clips(30, 11), room: 5, isReadAlong: false, count: 5 },
  { waiting: clips(30, 11), room: 32, isReadAlong: true, count: 2 },
  { waiting: clips(8, 30), room: 32, isReadAlong: false, count: 4 },
  // One that is longer than all together may be has to be prepared all the same.
  { waiting: clips(3, 200), room: 32, isReadAlong: false, count: 1 },
  { waiting: [], room: 32, isReadAlong: false, count: 0 },
])('of $waiting.length that wait and room for $room, read along: $isReadAlong: $count', (one) => {
  expect(countTogether(one.waiting, one)).toBe(one.count)
})

test('of a growing recording one at a time', () => {
  const of = (...streams: (number | undefined)[]) =>
    streams.map((stream) => ({ ...seconds(1), ...(stream === undefined ? {} : { stream }) }))
  const how = { room: 8, isReadAlong: false }
  expect(countTogether(of(1, 2, undefined, undefined, 3), how)).toBe(5)
  expect(countTogether(of(1, 2, 1, 3), how)).toBe(2)
  expect(countTogether(of(1, 1), how)).toBe(1)
})

test('what pieces ask for in the same turn is one run of the encoder and one of the decoder', async () => {
  const runs: string[] = []
  const encoder = {
    windowCount: () => 1,
    settledFrames: () => undefined,
    encodeTogether: async (parts: readonly unknown[]) => {
      runs.push(`encoder ${parts.length}`)
      return parts.map((_, index) => Float32Array.of(index))
    },
  } as unknown as EncoderRunner
  const output = (index: number): DecoderOutput => ({ tokens: [index], logprobs: [0], logits: undefined })
  const decoder = {
    stepTogether: async (steps: readonly DecoderStep[]) => {
      runs.push(`decoder ${steps.length}`)
      return steps.map((_, index) => output(index))
    },
  } as unknown as Decoder
  const model = preparesTogether({ encoder, decoder, release: async () => {} })
  expect(model.isTogether).toBe(true)
  const mel = { values: new Float32Array(128), frames: 1 }
  const encoded = [1, 2, 3].map(() => model.encoder.encode(mel, 0, 1))
  expect(await Promise.all(encoded)).toEqual([0, 1, 2].map((index) => Float32Array.of(index)))
  const cache = {} as SequenceCache
  const steps = [1, 2].map(() => model.decoder.step(cache, new Float32Array(1), 1, false))
  expect(await Promise.all(steps)).toEqual([output(0), output(1)])
  expect(runs).toEqual(['encoder 3', 'decoder 2'])
})

test('a decoder that does one step at a time is left as it is', () => {
  const model = { encoder: {} as EncoderRunner, decoder: {} as Decoder, release: async () => {} }
  const { encoder, decoder, isTogether } = preparesTogether(model)
  expect({ encoder, decoder, isTogether }).toEqual({
    encoder: model.encoder,
    decoder: model.decoder,
    isTogether: undefined,
  })
})
