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
  const cutter = new PieceCutter(rule)
  for await (const chunk of audio) {
    onSamples(chunk.length)
    yield* cutter.push(chunk)
  }
  yield* cutter.end()
}

/** The same for sound that comes bit by bit; where it is cut does not depend on how it comes. */
export class PieceCutter {
  readonly #rule: CutRule
  readonly #buffer = new SampleQueue()
  #offset = 0
  #wasCut = false

  constructor(rule: CutRule) {
    this.#rule = rule
  }

  /** Takes sound, and gives the pieces that are finished by it. */
  *push(chunk: Float32Array): Generator<Piece> {
    this.#buffer.push(chunk)
    // One sample more than fits: a recording of exactly the longest length stays whole.
    while (this.#buffer.length > this.#rule.maxPieceSeconds * sampleRate) {
      const cut = findCut(this.#buffer.peek(), this.#rule, false)
      if (cut === undefined) break
      this.#wasCut = true
      yield* this.#take(cut)
    }
  }

  /** The pieces of what is left. */
  *end(): Generator<Piece> {
    while (this.#wasCut) {
      const cut = findCut(this.#buffer.peek(), this.#rule, true)
      if (cut === undefined) break
      yield* this.#take(cut)
    }
    yield* this.#take(this.#buffer.length)
  }

  /** The sound behind the last finished piece as one more, undefined while it is silent. Changes nothing. */
  open(): Piece | undefined {
    return soundOf(this.#buffer.peek(), this.#offset, this.#wasCut).next().value ?? undefined
  }

  *#take(count: number): Generator<Piece> {
    const offset = this.#offset
    this.#offset += count
    yield* soundOf(this.#buffer.take(count), offset, this.#wasCut)
  }
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
