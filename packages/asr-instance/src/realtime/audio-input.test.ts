import { describe, expect, it } from 'vitest'
import { AudioInput, type InputFormat } from './audio-input.js'

function decode(format: InputFormat, bytes: Buffer, piece: number): Float32Array {
  const input = new AudioInput(format)
  const samples: number[] = []
  for (let at = 0; at < bytes.length; at += piece) {
    for (const block of input.push(bytes.subarray(at, at + piece))) samples.push(...block)
  }
  for (const block of input.end()) samples.push(...block)
  return Float32Array.from(samples)
}

const pcm = Buffer.from(Int16Array.from({ length: 2400 }, (_, i) => 9000 * Math.sin(i / 9)).buffer)

describe('AudioInput', () => {
  it('is exact at 16 kHz, wherever the stream is cut', () => {
    const expected = Float32Array.from({ length: 2400 }, (_, i) => pcm.readInt16LE(2 * i) / 32_768)
    for (const piece of [1, 3, 640, 4800]) {
      expect(decode({ encoding: 's16', sampleRate: 16_000 }, pcm, piece)).toEqual(expected)
    }
  })

  it('resamples 24 kHz as one recording', () => {
    const whole = decode({ encoding: 's16', sampleRate: 24_000 }, pcm, 4800)
    expect(whole.length).toBe(1600)
    expect(decode({ encoding: 's16', sampleRate: 24_000 }, pcm, 7)).toEqual(whole)
  })

  it('reads G.711', () => {
    expect(decode({ encoding: 'mulaw', sampleRate: 8000 }, Buffer.alloc(800, 0xff), 100)).toEqual(
      new Float32Array(1600),
    )
  })

  it('keeps a sample that the end falls into', () => {
    const input = new AudioInput({ encoding: 's16', sampleRate: 16_000 })
    const first = [...input.push(pcm.subarray(0, 2001)), ...input.end()]
    const second = [...input.push(pcm.subarray(2001)), ...input.end()]
    const samples = [...first, ...second].flatMap((block) => [...block])
    expect(samples).toEqual(Array.from({ length: 2400 }, (_, i) => pcm.readInt16LE(2 * i) / 32_768))
  })

  it('begins anew after the end', () => {
    const input = new AudioInput({ encoding: 's16', sampleRate: 24_000 })
    const first = [...input.push(pcm), ...input.end()]
    const second = [...input.push(pcm), ...input.end()]
    expect(second).toEqual(first)
  })
})
