import { expect, test } from 'vitest'
import { DecoderRunner } from './decoder-runner.js'
import { LoopDecoder } from './loop-decoder.js'
import type { ort } from './onnxruntime.js'
import type { Decoder } from './sequence-cache.js'

const text = { layers: 1, kvHeads: 1, headDim: 1, hidden: 1 } as ConstructorParameters<typeof LoopDecoder>[1]

/** Notes the keys that each run is given. */
function fakeSession() {
  const keys: unknown[] = []
  const session = {
    inputMetadata: ['k', 'v'].map((name) => ({
      name: `past_${name}.0`,
      isTensor: true,
      type: 'float32',
      shape: ['batch', 1, 'past', 1],
    })),
    outputNames: ['token'],
    async run(feeds: Record<string, unknown>) {
      keys.push(feeds['past_k.0'])
      const news = { data: new Float32Array(1), dims: [1, 1, 1, 1, 1] }
      const [token, logprob] = [{ data: BigInt64Array.of(1n) }, { data: new Float32Array(1) }]
      return { token, logprob, new_k: news, new_v: news }
    },
  } as unknown as ort.InferenceSession
  return { keys, session }
}

test.each([
  [
    'DecoderRunner',
    (session: ort.InferenceSession): Decoder =>
      new DecoderRunner(session, text, { row: () => expect.fail() }),
  ],
  ['LoopDecoder', (session: ort.InferenceSession): Decoder => new LoopDecoder(session, text, 'float', [0])],
])('%s binds a cache once, and holds it no longer than until memory is given back', async (_, open) => {
  const { keys, session } = fakeSession()
  const decoder = open(session)
  const cache = decoder.newCache(1)
  cache.addRow()
  const step = () => decoder.step(cache, new Float32Array(1), 1, false)
  for (let i = 0; i < 3; i++) await step()
  decoder.releaseMemory!()
  await step()
  // The first step finds an empty cache.
  expect(keys[2]).toBe(keys[1])
  expect(keys[3]).not.toBe(keys[2])
})
