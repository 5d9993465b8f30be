import * as ort from 'onnxruntime-node'
import type { ModelConfig } from '../checkpoint/model-config.js'
import { KvCache } from './kv-cache.js'
import type { Decoder, DecoderOutput } from './sequence-cache.js'

/** Far below any score, and still a number in float16. */
export const masked = -60_000

/** Runs the decoder graph and appends what it computed to the cache. */
export class DecoderRunner implements Decoder {
  readonly #session: ort.InferenceSession
  readonly #text: ModelConfig['text']
  /** Tensors of the cache's views as they were at the last step. */
  #bound: { views: readonly Float32Array[]; tensors: readonly ort.Tensor[] } | undefined

  constructor(session: ort.InferenceSession, text: ModelConfig['text']) {
    this.#session = session
    this.#text = text
  }

  newCache(mostRows: number): KvCache {
    return new KvCache(this.#text, mostRows)
  }

  async step(
    cache: KvCache,
    embeds: Float32Array,
    tokens: number,
    wantLogits: boolean,
  ): Promise<DecoderOutput> {
    const { hidden } = this.#text
    const rows = cache.rows
    const span = cache.capacity
    const positions = new BigInt64Array(rows * tokens)
    const mask = new Float32Array(rows * tokens * (span + tokens))
    for (let row = 0, at = 0; row < rows; row++) {
      const past = cache.length(row)
      for (let token = 0; token < tokens; token++, at++) {
        positions[at] = BigInt(past + token)
        const line = at * (span + tokens)
        mask.fill(masked, line + past, line + span)
        mask.fill(masked, line + span + token + 1, line + span + tokens)
      }
    }
    const feeds: Record<string, ort.Tensor> = {
      embeds: new ort.Tensor('float32', embeds, [rows, tokens, hidden]),
      positions: new ort.Tensor('int64', positions, [rows, tokens]),
      mask: new ort.Tensor('float32', mask, [rows, 1, 1, tokens, span + tokens]),
      last: new ort.Tensor('int64', new BigInt64Array(rows).fill(BigInt(tokens - 1)), [rows, 1]),
    }
    for (const [index, tensor] of this.#cacheTensors(cache).entries()) {
      feeds[`past_${index % 2 ? 'v' : 'k'}.${index >> 1}`] = tensor
    }
    const fetches = ['token', 'logprob', 'new_k', 'new_v', ...(wantLogits ? ['logits'] : [])]
    const outputs = await this.#session.run(feeds, fetches)
    const data = (name: string) => outputs[name]!.data as Float32Array
    cache.append(data('new_k'), data('new_v'), tokens)
    return {
      tokens: Array.from(outputs['token']!.data as BigInt64Array, Number),
      logprobs: Array.from(data('logprob')),
      logits: wantLogits ? data('logits') : undefined,
    }
  }

  #cacheTensors(cache: KvCache): readonly ort.Tensor[] {
    const { kvHeads, headDim } = this.#text
    const { views } = cache
    if (this.#bound?.views !== views) {
      const dims = [cache.rows, kvHeads, 1, cache.capacity, headDim]
      this.#bound = { views, tensors: views.map((view) => new ort.Tensor('float32', view, dims)) }
    }
    return this.#bound.tensors
  }
}
