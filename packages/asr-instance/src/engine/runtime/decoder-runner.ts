import type { ort } from './onnxruntime.js'
import type { ModelConfig } from '../checkpoint/model-config.js'
import { ArrayPool, type CacheValues } from './array-pool.js'
import { CacheInputs } from './cache-inputs.js'
import { answerNames, chooseAmong, decoderFeeds, readAnswer } from './decoder-io.js'
import { KvCache } from './kv-cache.js'
import type { RowTable } from './row-table.js'
import type { Decoder, DecoderOutput } from './sequence-cache.js'

/** Runs the decoder graph and appends what it computed to the cache. */
export class DecoderRunner implements Decoder {
  readonly #session: ort.InferenceSession
  readonly #text: ModelConfig['text']
  readonly #inputs: CacheInputs
  readonly #pool: ArrayPool
  readonly #head: Pick<RowTable, 'row'>
  readonly #hasCandidates: boolean

  /** `head`: the checkpoint's own, for a graph that only names candidates. */
  constructor(
    session: ort.InferenceSession,
    text: ModelConfig['text'],
    head: Pick<RowTable, 'row'>,
    pool = new ArrayPool(),
  ) {
    this.#session = session
    this.#head = head
    this.#hasCandidates = session.outputNames.includes('candidates')
    this.#text = text
    this.#pool = pool
    this.#inputs = new CacheInputs(session)
  }

  newCache(mostRows: number): KvCache {
    const format = this.#inputs.has('past_k_scale.0') ? 'int8' : 'float32'
    return new KvCache(this.#text, { format, mostRows, pool: this.#pool })
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
    const feeds = {
      ...decoderFeeds({ cache, embeds, tokens, span: cache.capacity, firstColumn: () => 0 }),
      ...this.#inputs.feeds(cache),
    }
    const news = cache.parts.map(({ name }) => `new_${name}`)
    const names = answerNames(wantLogits, this.#hasCandidates)
    const outputs = await this.#session.run(feeds, [...names, ...news])
    cache.append(
      news.map((name) => outputs[name]!.data as CacheValues),
      tokens,
    )
    return this.#hasCandidates ? chooseAmong(outputs, (token) => this.#head.row(token)) : readAnswer(outputs)
  }
}
