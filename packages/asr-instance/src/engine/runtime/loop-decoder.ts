import type { ort } from './onnxruntime.js'
import type { ModelConfig } from '../checkpoint/model-config.js'
import type { GraphTarget } from '../compile/graph-builder.js'
import { ArrayPool, type CacheValues } from './array-pool.js'
import { CacheInputs } from './cache-inputs.js'
import { answerNames, decoderFeeds, readAnswer } from './decoder-io.js'
import { int64 } from './integer-tensors.js'
import { KvCache } from './kv-cache.js'
import type { Decoder, DecoderOutput } from './sequence-cache.js'

/** Runs the decoder that loops (decoder-loop.ts): the cache is the host's and crosses the bus once for each run. */
export class LoopDecoder implements Decoder {
  readonly #session: ort.InferenceSession
  readonly #text: ModelConfig['text']
  readonly #type: 'float32' | 'float16'
  readonly #eos: ort.Tensor
  readonly #inputs: CacheInputs
  readonly #pool = new ArrayPool()

  constructor(
    session: ort.InferenceSession,
    text: ModelConfig['text'],
    precision: GraphTarget['precision'],
    eosTokenIds: readonly number[],
  ) {
    this.#session = session
    this.#text = text
    this.#type = precision === 'float' ? 'float32' : 'float16'
    this.#inputs = new CacheInputs(session)
    this.#eos = int64(eosTokenIds)
  }

  newCache(mostRows: number): KvCache {
    return new KvCache(this.#text, { format: this.#type, mostRows, pool: this.#pool, isNeverEmpty: true })
  }

  releaseMemory(): void {
    this.#pool.clear()
    this.#inputs.clear()
  }

  async step(
    cache: KvCache,
    embeds: Float32Array,
    tokens: number,
    wantLogits: boolean,
  ): Promise<DecoderOutput> {
    const most = Array.from({ length: cache.rows }, () => 1)
    const outputs = await this.#run(cache, embeds, tokens, most, 1, wantLogits)
    return readAnswer(outputs)
  }

  async steps(
    cache: KvCache,
    embeds: Float32Array,
    most: readonly number[],
    count: number,
  ): Promise<DecoderOutput[]> {
    const { rows } = cache
    const { tokens, logprobs } = readAnswer(await this.#run(cache, embeds, 1, most, count, false))
    return Array.from({ length: tokens.length / rows }, (_, step) => ({
      tokens: tokens.slice(step * rows, (step + 1) * rows),
      logprobs: logprobs.slice(step * rows, (step + 1) * rows),
      logits: undefined,
    }))
  }

  async #run(
    cache: KvCache,
    embeds: Float32Array,
    tokens: number,
    most: readonly number[],
    count: number,
    wantLogits: boolean,
  ): Promise<ort.InferenceSession.OnnxValueMapType> {
    // One more than there are: the graph's own masked column.
    const span = cache.capacity + 1
    const feeds = {
      ...decoderFeeds({ cache, embeds, tokens, span, firstColumn: () => 0 }),
      ...this.#inputs.feeds(cache),
      steps: int64([count], []),
      eos: this.#eos,
      most: int64(most),
    }
    const outputs = await this.#session.run(feeds, [...answerNames(wantLogits), 'new_k', 'new_v'])
    const [keys, values] = [outputs['new_k']!, outputs['new_v']!]
    cache.append([keys.data as CacheValues, values.data as CacheValues], keys.dims[3]!)
    return outputs
  }
}
