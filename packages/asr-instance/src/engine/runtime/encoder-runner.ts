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
    const chunks = Math.ceil(tokens / chunkTokens)
    const outputs = await this.#session.run({
      mel: new ort.Tensor('float32', cutChunks(mel, tokensBefore / chunkTokens, chunks), [
        chunks,
        1,
        melBands,
        chunkFrames,
      ]),
      ...windowInputs(tokens, this.#windowTokens),
    })
    return (outputs['features']!.data as Float32Array).subarray(0, tokens * this.#hidden)
  }
}

/** Where the tokens of the windows stand, and what each of them sees. */
function windowInputs(tokens: number, windowTokens: number) {
  const windows = Math.ceil(tokens / windowTokens)
  // A short window behind a whole one shares its products, which filling it up to the same length would make longer.
  if (windows === 2 && tokens < 2 * windowTokens) {
    const mask = new Float32Array(tokens * tokens)
    for (let token = 0; token < tokens; token++) {
      const [from, to] = token < windowTokens ? [windowTokens, tokens] : [0, windowTokens]
      mask.fill(masked, token * tokens + from, token * tokens + to)
    }
    return inputs(1, tokens, mask, tokens)
  }
  const width = Math.min(tokens, windowTokens)
  const mask = new Float32Array(windows * width).fill(masked, tokens)
  return inputs(windows, width, mask, 1)

  function inputs(rows: number, columns: number, maskValues: Float32Array, queries: number) {
    const index = BigInt64Array.from({ length: rows * columns }, (_, i) => BigInt(i < tokens ? i : 0))
    return {
      token_index: new ort.Tensor('int64', index, [rows, columns]),
      mask: new ort.Tensor('float32', maskValues, [rows, 1, queries, columns]),
    }
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
