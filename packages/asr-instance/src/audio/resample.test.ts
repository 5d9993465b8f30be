import { describe, expect, it } from 'vitest'
import { Resampler } from './resample.js'

function resample(input: Float32Array, from: number, pieces: number[] = [input.length]): Float32Array {
  const resampler = new Resampler(from, 16_000)
  const output: number[] = []
  let at = 0
  for (const length of pieces) {
    for (const block of resampler.push(input.subarray(at, at + length))) output.push(...block)
    at += length
  }
  for (const block of resampler.end()) output.push(...block)
  return Float32Array.from(output)
}

function sine(frequency: number, rate: number, length: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.sin((2 * Math.PI * frequency * i) / rate))
}

/** Root mean square in dB below a full-scale sine, without the ends, where the signal begins and stops. */
function levelDb(samples: Float32Array): number {
  const inner = samples.subarray(400, samples.length - 400)
  const power = inner.reduce((sum, sample) => sum + sample * sample, 0) / inner.length
  return 10 * Math.log10(2 * power)
}

const rates = [8000, 11_025, 12_345, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000]

describe('Resampler', () => {
  it.each(rates)('keeps the level of tones in the pass band from %i Hz', (rate) => {
    const nyquist = Math.min(rate, 16_000) / 2
    for (const part of [0.1, 0.25, 0.5, 0.8, 0.87]) {
      const output = resample(sine(part * nyquist, rate, rate / 2), rate)
      expect(Math.abs(levelDb(output)), `${part} of Nyquist`).toBeLessThan(0.01)
    }
  })

  it.each(rates)('puts output samples at the right time from %i Hz', (rate) => {
    const frequency = 440
    const output = resample(sine(frequency, rate, rate / 2), rate)
    const expected = sine(frequency, 16_000, output.length)
    let worst = 0
    for (let i = 400; i < output.length - 400; i++) {
      worst = Math.max(worst, Math.abs((output[i] as number) - (expected[i] as number)))
    }
    expect(worst).toBeLessThan(1e-4)
  })

  it.each([24_000, 44_100, 44_101, 48_000, 96_000, 192_000])('rejects aliases from %i Hz', (rate) => {
    for (const frequency of [8_000, 9_000, 11_000, 11_999]) {
      if (frequency >= rate / 2) continue
      expect(levelDb(resample(sine(frequency, rate, rate / 2), rate)), `${frequency} Hz`).toBeLessThan(-85)
    }
  })

  it.each([8000, 11_025])('makes no images when it goes up from %i Hz', (rate) => {
    const output = resample(sine(0.8 * (rate / 2), rate, rate / 2), rate)
    const expected = sine(0.8 * (rate / 2), 16_000, output.length)
    const error = output.map((sample, i) => sample - (expected[i] as number))
    expect(levelDb(error)).toBeLessThan(-80)
  })

  it.each([...rates, 1000, 44_101, 767_999])('keeps a constant exactly from %i Hz', (rate) => {
    const output = resample(new Float32Array(rate / 2).fill(0.7), rate)
    const edge = Math.max(600, Math.ceil((50 * 16_000) / rate))
    const inner = output.subarray(edge, output.length - edge)
    expect(new Set(inner)).toEqual(new Set([Math.fround(0.7)]))
  })

  it.each(rates)('gives round(n * 16000 / rate) samples from %i Hz', (rate) => {
    for (const length of [0, 1, 2, 3, 100, 1001, 44_099]) {
      expect(resample(new Float32Array(length), rate).length).toBe(Math.round((length * 16_000) / rate))
    }
  })

  // In small pieces each sample is computed alone, in large ones many are together.
  it.each([8000, 44_100, 44_101, 48_000])('does not depend on how the input is cut from %i Hz', (rate) => {
    const input = sine(997, rate, 5000)
    const whole = resample(input, rate)
    for (const piece of [1, 7, 333, 4999]) {
      const pieces = Array.from({ length: Math.ceil(input.length / piece) }, () => piece)
      expect(resample(input, rate, pieces)).toEqual(whole)
    }
  })

  it('hands out bounded blocks however far it stretches', () => {
    const resampler = new Resampler(1, 16_000)
    let count = 0
    for (const input of [resampler.push(new Float32Array(60)), resampler.end()]) {
      for (const block of input) {
        expect(block.length).toBeLessThanOrEqual(16_384)
        count += block.length
      }
    }
    expect(count).toBe(60 * 16_000)
  })
})
