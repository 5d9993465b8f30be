import type { ort } from './onnxruntime.js'
import type { ModelConfig } from '../checkpoint/model-config.js'
import { cacheNames } from '../compile/cache-graphs.js'
import { answerNames, decoderFeeds, readAnswer } from './decoder-io.js'
import { DeviceCache, type CacheDevice } from './device-cache.js'
import type { Decoder, DecoderOutput } from './sequence-cache.js'

/** Runs the decoder graph of a device: the cache goes in and comes out where it is. */
export class DeviceDecoder implements Decoder {
  readonly #session: ort.InferenceSession
  readonly #device: CacheDevice
  readonly #names: string[]

  constructor(session: ort.InferenceSession, text: ModelConfig['text'], device: CacheDevice) {
    this.#session = session
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
    const block = await cache.settle()
    const { span } = block
    const firstColumn = (row: number) => span - cache.length(row)
    const feeds = decoderFeeds({ cache, embeds, tokens, span, firstColumn })
    for (const [index, name] of this.#names.entries()) feeds[`past_${name}`] = block.tensors[index]!
    const presents = this.#names.map((name) => `present_${name}`)
    const outputs = await this.#session.run(feeds, [...answerNames(wantLogits), ...presents])
    const tensors = presents.map((name) => outputs[name] as ort.Tensor)
    cache.advance({ tensors, rows: cache.rows, span: span + tokens, uses: 0 }, tokens)
    return readAnswer(outputs)
  }
}
