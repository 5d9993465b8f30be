import { ort } from './onnxruntime.js'
import type { ModelConfig } from '../checkpoint/model-config.js'
import { cacheNames } from '../compile/cache-graphs.js'
import { pagePrecision } from '../compile/page-graphs.js'
import type { ArrayPool } from './array-pool.js'
import { DecoderRunner } from './decoder-runner.js'
import { DeviceDecoder } from './device-decoder.js'
import { EncoderRunner } from './encoder-runner.js'
import { LoopDecoder } from './loop-decoder.js'
import { keepOnDevice, OnnxCacheDevice } from './onnx-cache-device.js'
import { PageMemory } from './page-memory.js'
import { PagedDecoder } from './paged-decoder.js'
import type { RowTable } from './row-table.js'
import type { Decoder } from './sequence-cache.js'
import type { ModelPlace } from './worker-messages.js'

/** The compiled model where it computes. */
export interface OpenModel {
  encoder: EncoderRunner
  decoder: Decoder
  /** Gives everything back; nothing of it may be used any more. */
  release(): Promise<void>
}

export interface OpenModelOptions {
  place: ModelPlace
  config: Pick<ModelConfig, 'text' | 'audio'>
  /** The checkpoint's own weights, by which the last word on a token is spoken. */
  head: Pick<RowTable, 'row'>
  /** Tokens that end an answer. */
  ends: readonly number[]
  /** Where the processor's decoder has the memory of its caches from. */
  pool?: ArrayPool
  onLoading?: (ratio: number, detail: string) => void
}

/** Loads the graphs and picks what runs the decoder on this device. */
export async function openModel({
  place,
  config: { text, audio },
  head,
  ends,
  pool,
  onLoading = () => {},
}: OpenModelOptions): Promise<OpenModel> {
  const { device, precision, threads, spin } = place
  const session = {
    executionProviders: [device],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    extra: { session: { intra_op: { allow_spinning: spin ? '1' : '0' } } },
  } as const
  const opened: { release(): Promise<void> }[] = []
  const open = async (path: string, sessionOptions: ort.InferenceSession.SessionOptions = session) => {
    const created = await ort.InferenceSession.create(path, sessionOptions)
    opened.push(created)
    return created
  }
  onLoading(0, 'loading the encoder')
  const encoder = new EncoderRunner(await open(place.encoderPath), text.hidden, audio.windowTokens)
  onLoading(0.3, 'loading the decoder')
  return {
    encoder,
    decoder: await openDecoder(),
    async release() {
      for (const session of opened) await session.release()
    },
  }

  async function openDecoder(): Promise<Decoder> {
    if (device === 'cpu') return new DecoderRunner(await open(place.decoderPath), text, head, pool)
    if (device === 'cuda') return new LoopDecoder(await open(place.decoderPath), text, precision, ends)
    if (precision === pagePrecision) {
      const decoder = await open(place.decoderPath)
      const memory = await PageMemory.create(text, session)
      opened.push(memory)
      return new PagedDecoder(decoder, memory)
    }
    const presents = cacheNames(text).map(({ name }) => `present_${name}`)
    const decoder = await open(place.decoderPath, keepOnDevice(session, presents))
    const cacheDevice = await OnnxCacheDevice.create(text, precision, session)
    opened.push(cacheDevice)
    return new DeviceDecoder(decoder, text, cacheDevice)
  }
}
