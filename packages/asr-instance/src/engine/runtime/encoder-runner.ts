import { ort } from './onnxruntime.js'
import { chunkFrames, chunkTokens } from '../compile/encoder-graph.js'
import { audioTokens } from '../features/audio-tokens.js'
import { melBands, type LogMel } from '../features/log-mel.js'
import { concatenate } from './concatenate.js'
import { layOut, layoutInputs, type AttentionRow } from './encoder-layout.js'

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
      ? cutChunks(new Float32Array(chunks * melBands * chunkFrames), mel, window * chunks, chunks)
      : undefined
  }

  /** Audio features `[tokens, hidden]` of the windows `[first, first + count)`. */
  async encode(mel: LogMel, first: number, count: number): Promise<Float32Array> {
    const [features] = await this.encodeTogether([{ mel, first, count }])
    return features!
  }

  /** The same of several clips in one run. */
  async encodeTogether(clips: readonly ClipWindows[]): Promise<Float32Array[]> {
    const parts = clips.map(({ mel, first, count }) => {
      const before = first * this.#windowTokens
      const tokens = Math.min(count * this.#windowTokens, audioTokens(mel.frames) - before)
      return { mel, firstChunk: before / chunkTokens, chunks: Math.ceil(tokens / chunkTokens), tokens }
    })
    const chunks = parts.reduce((sum, part) => sum + part.chunks, 0)
    const images = new Float32Array(chunks * melBands * chunkFrames)
    let at = 0
    const firstTokens: number[] = []
    for (const { mel, firstChunk, chunks } of parts) {
      firstTokens.push(at * chunkTokens)
      cutChunks(images.subarray(at * melBands * chunkFrames), mel, firstChunk, chunks)
      at += chunks
    }
    const layout = layOut(
      parts.map(({ tokens }, i) => ({ from: firstTokens[i]!, tokens })),
      this.#windowTokens,
    )
    const outputs = await this.#session.run({
      mel: new ort.Tensor('float32', images, [chunks, 1, melBands, chunkFrames]),
      ...layoutInputs(layout),
    })
    const features = outputs['features']!.data as Float32Array
    const width = layout.columns * this.#hidden
    return layout.clips.map((rows) => gather(features, rows, width, this.#hidden))
  }
}

export interface ClipWindows {
  mel: LogMel
  first: number
  count: number
}

/** Frames of some chunks as `[chunks, 128, 100]` into `out`, which is all zeros: the last one may be shorter. */
function cutChunks(out: Float32Array, mel: LogMel, firstChunk: number, chunks: number): Float32Array {
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

/** The features of a clip's rows, without what fills them up. */
function gather(features: Float32Array, rows: readonly AttentionRow[], width: number, hidden: number) {
  const [first] = rows
  // Whole rows stand one after the other already.
  if (rows.every(({ tokens }, i) => i === rows.length - 1 || tokens * hidden === width)) {
    const total = rows.reduce((sum, { tokens }) => sum + tokens, 0) * hidden
    return features.subarray(first!.index * width, first!.index * width + total)
  }
  return concatenate(
    rows.map(({ index, tokens }) => features.subarray(index * width, index * width + tokens * hidden)),
    Float32Array,
  )
}
