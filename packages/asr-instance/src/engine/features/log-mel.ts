import { RealPowerSpectrum } from './fft.js'
import { slaneyFilters } from './mel-filters.js'

export const sampleRate = 16_000
export const hopSamples = 160
export const melBands = 128
/** Shorter clips are padded with zeros to half a second, as the official processor does. */
export const minSamples = 8_000

const fftLength = 400

export interface LogMel {
  /** `[128, frames]`, row-major. */
  values: Float32Array
  frames: number
}

export function frameCount(samples: number): number {
  return Math.floor(Math.max(samples, minSamples) / hopSamples)
}

/**
 * Whisper's log-mel features as Qwen3-ASR uses them: centred frames with reflected borders (torch.stft's
 * `center=True`), periodic Hann window, the last frame dropped, floor at 8 decades below the clip's peak. No padding
 * to 30 s. One instance serves one thread.
 */
export class LogMelExtractor {
  readonly #spectrum = new RealPowerSpectrum(fftLength)
  readonly #filters = slaneyFilters(melBands, fftLength, sampleRate)
  readonly #window = Float64Array.from(
    { length: fftLength },
    (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / fftLength),
  )
  readonly #frame = new Float64Array(fftLength)
  readonly #power = new Float64Array(fftLength / 2 + 1)

  /** Mono samples at 16 kHz in -1 to 1. */
  extract(samples: Float32Array): LogMel {
    const length = Math.max(samples.length, minSamples)
    const frames = frameCount(samples.length)
    const values = new Float32Array(melBands * frames)
    let peak = Number.NEGATIVE_INFINITY
    for (let frame = 0; frame < frames; frame++) {
      this.#loadFrame(samples, length, frame * hopSamples - fftLength / 2)
      this.#spectrum.transform(this.#frame, this.#power)
      for (let band = 0; band < melBands; band++) {
        const { firstBin, weights } = this.#filters[band]!
        let energy = 0
        for (let i = 0; i < weights.length; i++) energy += weights[i]! * this.#power[firstBin + i]!
        const value = Math.log10(Math.max(energy, 1e-10))
        if (value > peak) peak = value
        values[band * frames + frame] = value
      }
    }
    const floor = peak - 8
    for (let i = 0; i < values.length; i++) values[i] = (Math.max(values[i]!, floor) + 4) / 4
    return { values, frames }
  }

  #loadFrame(samples: Float32Array, length: number, start: number): void {
    for (let i = 0; i < fftLength; i++) {
      let at = start + i
      if (at < 0) at = -at
      else if (at >= length) at = 2 * (length - 1) - at
      this.#frame[i] = at < samples.length ? samples[at]! * this.#window[i]! : 0
    }
  }
}
