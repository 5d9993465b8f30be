import * as ort from 'onnxruntime-node'
import { chunkFrames, chunkTokens } from '../compile/encoder-graph.js'
import { audioTokens } from '../features/audio-tokens.js'
import { melBands, type LogMel } from '../features/log-mel.js'
import { masked } from './decoder-io.js'

/** Runs the encoder graph over the attention windows of one clip; windows never see each other. */
export class EncoderRunner {
  readonly #session: ort.InferenceSession
  readonly #hidden: number
  readonly #windowTokens: number

  constructor(session: ort.InferenceSession, hidden: number, windowTokens: number) {
    this.#session = session
    this.#hidden = hidden
    this.#windowTokens = windowTokens
  }

  /** Attention windows of a clip: also how many steps its encoding can be cut into. */
  windowCount(mel: LogMel): number {
    return Math.ceil(audioTokens(mel.frames) / this.#windowTokens)
  }

  /**
   * Frames of a whole window, `[chunks, 128, 100]`, that no further sound changes but by the floor; undefined while there
   * are none. The last frame before the end has reflected sound in it.
   */
  settledFrames(mel: LogMel, window: number): Float32Array | undefined {
    const chunks = this.#windowTokens / chunkTokens
    return mel.frames > (window + 1) * chunks * chunkFrames
      ? cutChunks(mel, window * chunks, chunks)
      : undefined
  }

  /** Audio features `[tokens, hidden]` of the windows `[first, first + count)`. */
  async encode(mel: LogMel, first: number, count: number): Promise<Float32Array> {
    const tokensBefore = first * this.#windowTokens
    const tokens = Math.min(count * this.#windowTokens, audioTokens(mel.frames) - tokensBefore)
    const firstChunk = tokensBefore / chunkTokens
    const chunks = Math.ceil(tokens / chunkTokens)
    const windows = Math.ceil(tokens / this.#windowTokens)
    const width = Math.min(tokens, this.#windowTokens)
    const index = new BigInt64Array(windows * width)
    const mask = new Float32Array(windows * width)
    for (let i = 0; i < index.length; i++) {
      if (i < tokens) index[i] = BigInt(i)
      else mask[i] = masked
    }
    const outputs = await this.#session.run({
      mel: new ort.Tensor('float32', cutChunks(mel, firstChunk, chunks), [chunks, 1, melBands, chunkFrames]),
      token_index: new ort.Tensor('int64', index, [windows, width]),
      mask: new ort.Tensor('float32', mask, [windows, 1, 1, width]),
    })
    return (outputs['features']!.data as Float32Array).subarray(0, tokens * this.#hidden)
  }
}

/** Frames of some chunks as `[chunks, 128, 100]`, the last one filled with zeros. */
function cutChunks(mel: LogMel, firstChunk: number, chunks: number): Float32Array {
  const out = new Float32Array(chunks * melBands * chunkFrames)
  for (let chunk = 0; chunk < chunks; chunk++) {
    const from = (firstChunk + chunk) * chunkFrames
    const to = Math.min(from + chunkFrames, mel.frames)
    for (let band = 0; band < melBands; band++) {
      const row = mel.values.subarray(band * mel.frames + from, band * mel.frames + to)
      out.set(row, (chunk * melBands + band) * chunkFrames)
    }
  }
  return out
}
