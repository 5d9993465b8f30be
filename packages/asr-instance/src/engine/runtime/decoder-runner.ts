import * as ort from 'onnxruntime-node'
import type { ModelConfig } from '../checkpoint/model-config.js'
import { answerNames, decoderFeeds, readAnswer } from './decoder-io.js'
import { KvCache } from './kv-cache.js'
import type { Decoder, DecoderOutput } from './sequence-cache.js'

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
    const feeds = decoderFeeds({ cache, embeds, tokens, span: cache.capacity, firstColumn: () => 0 })
    for (const [index, tensor] of this.#cacheTensors(cache).entries()) {
      feeds[`past_${index % 2 ? 'v' : 'k'}.${index >> 1}`] = tensor
    }
    const outputs = await this.#session.run(feeds, [...answerNames(wantLogits), 'new_k', 'new_v'])
    const data = (name: string) => outputs[name]!.data as Float32Array
    cache.append(data('new_k'), data('new_v'), tokens)
    return readAnswer(outputs)
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
