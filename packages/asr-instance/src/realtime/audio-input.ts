import { engineSampleRate } from '../audio/engine-sample-rate.js'
import { clip, pcmToMono, sampleBytes, type SampleFormat } from '../audio/pcm.js'
import { Resampler } from '../audio/resample.js'

export interface InputFormat {
  encoding: Extract<SampleFormat, 's16' | 'alaw' | 'mulaw'>
  sampleRate: number
}

/** Turns the bytes of a stream, cut anywhere, into samples for the engine. */
export class AudioInput {
  readonly #format: InputFormat
  #rest: Buffer = Buffer.alloc(0)
  #resampler: Resampler | null = null

  constructor(format: InputFormat) {
    this.#format = format
  }

  *push(bytes: Buffer): Generator<Float32Array> {
    const size = sampleBytes[this.#format.encoding]
    const joined = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    const usable = joined.length - (joined.length % size)
    this.#rest = joined.subarray(usable)
    if (usable === 0) return
    const samples = pcmToMono(joined.subarray(0, usable), this.#format.encoding, 1, size)
    if (this.#format.sampleRate === engineSampleRate) {
      yield samples
      return
    }
    this.#resampler ??= new Resampler(this.#format.sampleRate, engineSampleRate)
    for (const block of this.#resampler.push(samples)) yield clip(block)
  }

  /**
   * What the resampler still holds; the next push begins a new recording. A sample that has only begun belongs to that one:
   * without its first byte everything behind it would be read shifted.
   */
  *end(): Generator<Float32Array> {
    const resampler = this.#resampler
    this.#resampler = null
    if (resampler) for (const block of resampler.end()) yield clip(block)
  }
}
