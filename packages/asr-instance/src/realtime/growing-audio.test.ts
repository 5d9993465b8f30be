import { describe, expect, it } from 'vitest'
import { GrowingAudio } from './growing-audio.js'

describe('GrowingAudio', () => {
  it('keeps what is appended, beyond its first size', () => {
    const audio = new GrowingAudio()
    for (let i = 0; i < 5; i++) audio.append(new Float32Array(10_000).fill(i))
    expect(audio.length).toBe(50_000)
    expect(audio.slice(9_999, 10_001)).toEqual(Float32Array.of(0, 1))
    expect(audio.slice(49_999)).toEqual(Float32Array.of(4))
    expect(audio.slice(40_000, 99_999).length).toBe(10_000)
  })

  it('keeps the last samples', () => {
    const audio = new GrowingAudio()
    audio.append(Float32Array.of(1, 2, 3, 4))
    expect(audio.keepLast(3)).toBe(1)
    expect(audio.keepLast(10)).toBe(0)
    audio.append(Float32Array.of(5))
    expect(audio.slice(0)).toEqual(Float32Array.of(2, 3, 4, 5))
  })
})
