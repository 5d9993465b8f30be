import * as ort from 'onnxruntime-node'
import type { ModelConfig } from '../checkpoint/model-config.js'
import { cacheNames } from '../compile/cache-graphs.js'
import { masked } from './decoder-runner.js'
import { DeviceCache, type CacheBlock, type CacheDevice } from './device-cache.js'
import type { Decoder, DecoderOutput } from './sequence-cache.js'

/** Runs the decoder graph of a device: the cache goes in and comes out where it is. */
export class DeviceDecoder implements Decoder {
  readonly #session: ort.InferenceSession
  readonly #text: ModelConfig['text']
  readonly #device: CacheDevice
  readonly #names: string[]

  constructor(session: ort.InferenceSession, text: ModelConfig['text'], device: CacheDevice) {
    this.#session = session
    this.#text = text
    this.#device = device
    this.#names = cacheNames(text).map(({ name }) => name)
  }

  newCache(): DeviceCache {
    return new DeviceCache(this.#device)
  }

  async step(
    cache: DeviceCache,
    embeds: Float32Array,
    tokens: number,
    wantLogits: boolean,
  ): Promise<DecoderOutput> {
    const { hidden } = this.#text
    const block = await cache.settle()
    const { rows } = cache
    const all = block.span + tokens
    const positions = new BigInt64Array(rows * tokens)
    const mask = new Float32Array(rows * tokens * all)
    for (let row = 0, at = 0; row < rows; row++) {
      const past = cache.length(row)
      for (let token = 0; token < tokens; token++, at++) {
        positions[at] = BigInt(past + token)
        mask.fill(masked, at * all, at * all + block.span - past)
        mask.fill(masked, at * all + block.span + token + 1, (at + 1) * all)
      }
    }
    const feeds: Record<string, ort.Tensor> = {
      embeds: new ort.Tensor('float32', embeds, [rows, tokens, hidden]),
      positions: new ort.Tensor('int64', positions, [rows, tokens]),
      mask: new ort.Tensor('float32', mask, [rows, 1, 1, tokens, all]),
      last: new ort.Tensor('int64', new BigInt64Array(rows).fill(BigInt(tokens - 1)), [rows, 1]),
    }
    for (const [index, name] of this.#names.entries()) feeds[`past_${name}`] = block.tensors[index]!
    const presents = this.#names.map((name) => `present_${name}`)
    const outputs = await this.#session.run(feeds, [
      'token',
      'logprob',
      ...presents,
      ...(wantLogits ? ['logits'] : []),
    ])
    const tensors = presents.map((name) => outputs[name] as ort.Tensor)
    cache.advance({ tensors, rows, span: all, uses: 0 } satisfies CacheBlock, tokens)
    return {
      tokens: Array.from(outputs['token']!.data as BigInt64Array, Number),
      logprobs: Array.from(outputs['logprob']!.data as Float32Array),
      logits: outputs['logits']?.data as Float32Array | undefined,
    }
  }
}
