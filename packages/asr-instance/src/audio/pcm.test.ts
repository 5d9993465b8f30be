import { describe, expect, it } from 'vitest'
import { aLawTable, muLawTable } from './g711.js'
import { clip, pcmToMono, wholeFrames } from './pcm.js'
import { Resampler } from './resample.js'

describe('pcmToMono', () => {
  it('is exactly int16 / 32768 for 16-bit mono', () => {
    const all = Int16Array.from({ length: 65_536 }, (_, i) => i - 32_768)
    const mono = pcmToMono(new Uint8Array(all.buffer), 's16', 1, 2)
    expect(mono).toEqual(Float32Array.from(all, (sample) => sample / 32_768))
  })

  it.each([
    ['u8', [0, 128, 255], [-1, 0, 127 / 128]],
    ['s24', [0, 0, 0x80, 0, 0, 0, 0xff, 0xff, 0x7f], [-1, 0, 8388607 / 8388608]],
    ['s32', [0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x40], [-1, 0, 0.5]],
  ] as const)('maps %s to full scale', (format, data, expected) => {
    const bytes = Uint8Array.from(data)
    const size = bytes.length / expected.length
    expect([...pcmToMono(bytes, format, 1, size)]).toEqual(expected.map(Math.fround))
  })

  it('reads floats as they are, without NaN and infinity', () => {
    const f32 = Float32Array.of(0.25, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1.5)
    expect([...pcmToMono(new Uint8Array(f32.buffer), 'f32', 1, 4)]).toEqual([0.25, 0, 1, -1, 1.5])
    const f64 = Float64Array.of(0.1, -3)
    expect([...pcmToMono(new Uint8Array(f64.buffer), 'f64', 1, 8)]).toEqual([Math.fround(0.1), -3])
  })

  it('keeps absurd floats where a resampler can add them up', () => {
    const f64 = Float64Array.of(1e300, -1e300, 3e38, -3e38, 1e300, 1e300)
    const mono = pcmToMono(new Uint8Array(f64.buffer), 'f64', 1, 8)
    const resampler = new Resampler(44_100, 16_000)
    const resampled = [...resampler.push(mono), ...resampler.end()].flatMap((block) => [...clip(block)])
    expect(resampled.length).toBeGreaterThan(0)
    expect(resampled.filter((sample) => !(Math.abs(sample) <= 1))).toEqual([])
  })

  it('takes the mean of all channels', () => {
    const frames = Int16Array.of(16_384, -16_384, 16_384, 0, 32_767, 32_767)
    expect([...pcmToMono(new Uint8Array(frames.buffer), 's16', 3, 6)]).toEqual([
      Math.fround(16_384 / 3 / 32_768),
      Math.fround(65_534 / 3 / 32_768),
    ])
  })

  it('skips bytes between frames', () => {
    expect([...pcmToMono(Uint8Array.of(255, 9, 0, 9), 'u8', 1, 2)]).toEqual([127 / 128, -1])
  })
})

describe('G.711', () => {
  it('has the values of the standard', () => {
    expect(muLawTable[0xff]).toBe(0)
    expect(muLawTable[0x80]).toBe(32_124 / 32_768)
    expect(muLawTable[0x00]).toBe(-32_124 / 32_768)
    expect(muLawTable[0xf0]).toBe(120 / 32_768)
    expect(aLawTable[0xd5]).toBe(8 / 32_768)
    expect(aLawTable[0x55]).toBe(-8 / 32_768)
    expect(aLawTable[0xaa]).toBe(32_256 / 32_768)
    expect(aLawTable[0x2a]).toBe(-32_256 / 32_768)
  })
})

describe('clip', () => {
  it('limits to -1..1', () => {
    expect([...clip(Float32Array.of(-2, -1, 0.5, 1, 30))]).toEqual([-1, -1, 0.5, 1, 1])
  })
})

describe('wholeFrames', () => {
  it('re-cuts to whole frames and drops an incomplete last one', async () => {
    async function* pieces() {
      yield* [[1, 2], [3], [4, 5, 6, 7], [8]].map((piece) => Uint8Array.from(piece))
    }
    const frames: number[][] = []
    for await (const frame of wholeFrames(pieces(), 3)) frames.push([...frame])
    expect(frames).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ])
  })
})
