import * as ort from 'onnxruntime-node'
import type { ModelConfig } from '../checkpoint/model-config.js'
import { answerNames, decoderFeeds, readAnswer } from './decoder-io.js'
import { KvCache, type CacheValues, type HostFormat } from './kv-cache.js'
import type { Decoder, DecoderOutput } from './sequence-cache.js'

/** Runs the decoder graph and appends what it computed to the cache. */
export class DecoderRunner implements Decoder {
  readonly #session: ort.InferenceSession
  readonly #text: ModelConfig['text']
  readonly #format: HostFormat
  /** Dimensions that each tensor of the past has in the graph, numbers for those that never change. */
  readonly #dims: ReadonlyMap<string, readonly (number | string)[]>
  /** The cache's views as they were at the last step, as the decoder's inputs. */
  #bound: { views: KvCache['views']; feeds: Record<string, ort.Tensor> } | undefined

  constructor(session: ort.InferenceSession, text: ModelConfig['text']) {
    this.#session = session
    this.#text = text
    this.#dims = new Map(
      session.inputMetadata.map((input) => [input.name, input.isTensor ? input.shape : []]),
    )
    this.#format = this.#dims.has('past_k_scale.0') ? 'int8' : 'float32'
  }

  newCache(mostRows: number): KvCache {
    return new KvCache(this.#text, this.#format, mostRows)
  }

  async step(
    cache: KvCache,
    embeds: Float32Array,
    tokens: number,
    wantLogits: boolean,
  ): Promise<DecoderOutput> {
    const feeds = {
      ...decoderFeeds({ cache, embeds, tokens, span: cache.capacity, firstColumn: () => 0 }),
      ...this.#cacheFeeds(cache),
    }
    const news = cache.parts.map(({ name }) => `new_${name}`)
    const outputs = await this.#session.run(feeds, [...answerNames(wantLogits), ...news])
    cache.append(
      news.map((name) => outputs[name]!.data as CacheValues),
      tokens,
    )
    return readAnswer(outputs)
  }

  #cacheFeeds(cache: KvCache): Record<string, ort.Tensor> {
    const { views } = cache
    if (this.#bound?.views === views) return this.#bound.feeds
    const feeds: Record<string, ort.Tensor> = {}
    const sizes: Record<string, number> = { batch: cache.rows, past: cache.capacity }
    for (const [part, { name, type }] of cache.parts.entries()) {
      for (const [layer, view] of views[part]!.entries()) {
        const input = `past_${name}.${layer}`
        const dims = this.#dims.get(input)!.map((dim) => (typeof dim === 'number' ? dim : sizes[dim]!))
        feeds[input] = new ort.Tensor(type, view, dims)
      }
    }
    this.#bound = { views, feeds }
    return feeds
  }
}
