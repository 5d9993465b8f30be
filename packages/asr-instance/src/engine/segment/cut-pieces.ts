import { sampleRate } from '../features/log-mel.js'
import type { CutRule } from './cut-rule.js'
import { findCut } from './find-cut.js'
import { frameRms, frameSamples, pauseThreshold, peakRms, silenceRms } from './loudness.js'

export interface Piece {
  samples: Float32Array
  /** Seconds from the start of the recording. */
  start: number
  end: number
}

const keptSilenceSeconds = 0.25

/**
 * Cuts a recording of any length into pieces with nothing lost or doubled between them; holds about one piece at a
 * time. Pieces without sound are left out, and silence at the borders of a cut piece is shortened. `onSamples` hears
 * how many samples came in.
 */
export async function* cutPieces(
  audio: AsyncIterable<Float32Array>,
  rule: CutRule,
  onSamples: (count: number) => void,
): AsyncGenerator<Piece> {
  const buffer = new SampleQueue()
  let offset = 0
  let wasCut = false
  for await (const chunk of audio) {
    onSamples(chunk.length)
    buffer.push(chunk)
    // One sample more than fits: a recording of exactly the longest length stays whole.
    while (buffer.length > rule.maxPieceSeconds * sampleRate) {
      const cut = findCut(buffer.peek(), rule, false)
      if (cut === undefined) break
      wasCut = true
      yield* soundOf(buffer.take(cut), offset, true)
      offset += cut
    }
  }
  while (wasCut) {
    const cut = findCut(buffer.peek(), rule, true)
    if (cut === undefined) break
    yield* soundOf(buffer.take(cut), offset, true)
    offset += cut
  }
  yield* soundOf(buffer.take(buffer.length), offset, wasCut)
}

/** The piece, shortened if `trim`; nothing if it is silent. */
function* soundOf(samples: Float32Array, offset: number, trim: boolean): Generator<Piece> {
  const rms = frameRms(samples)
  const peak = peakRms(rms)
  if (peak < silenceRms) return
  let first = 0
  let last = samples.length
  if (trim) {
    const threshold = pauseThreshold(peak)
    const kept = keptSilenceSeconds * sampleRate
    first = Math.max(0, rms.findIndex((value) => value >= threshold) * frameSamples - kept)
    last = Math.min(
      samples.length,
      (rms.findLastIndex((value) => value >= threshold) + 1) * frameSamples + kept,
    )
  }
  yield {
    samples: samples.slice(first, last),
    start: (offset + first) / sampleRate,
    end: (offset + last) / sampleRate,
  }
}

/** Samples in arrival order, joined only when they are looked at. */
class SampleQueue {
  #chunks: Float32Array[] = []
  length = 0

  push(chunk: Float32Array): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.length += chunk.length
  }

  peek(): Float32Array {
    if (this.#chunks.length !== 1) {
      const joined = new Float32Array(this.length)
      let at = 0
      for (const chunk of this.#chunks) {
        joined.set(chunk, at)
        at += chunk.length
      }
      this.#chunks = [joined]
    }
    return this.#chunks[0] as Float32Array
  }

  take(count: number): Float32Array {
    const all = this.peek()
    this.#chunks = count < all.length ? [all.subarray(count)] : []
    this.length = all.length - count
    return all.subarray(0, count)
  }
}
