import { describe, expect, it } from 'vitest'
import { VoiceActivityDetector, type VadEvent } from './vad.js'

const options = { threshold: 0.5, silenceDurationMs: 500 }

/** Noise of a given root mean square; the generator is fixed so that a run can be repeated. */
function noise(seconds: number, rms: number): Float32Array {
  let state = 1
  return Float32Array.from({ length: seconds * 16_000 }, () => {
    state = (state * 48_271) % 2_147_483_647
    return (state / 1_073_741_823.5 - 1) * rms * Math.sqrt(3)
  })
}

function detect(parts: Float32Array[], chunk = 1600, given = options): VadEvent[] {
  const detector = new VoiceActivityDetector(given)
  const all = Float32Array.from(parts.flatMap((part) => [...part]))
  const events: VadEvent[] = []
  for (let at = 0; at < all.length; at += chunk) events.push(...detector.push(all.subarray(at, at + chunk)))
  return events
}

const seconds = (events: VadEvent[]) => events.map(({ type, at }) => `${type} ${(at / 16_000).toFixed(2)}`)

describe('VoiceActivityDetector', () => {
  it('finds speech between silences', () => {
    const events = detect([noise(1, 0.0005), noise(1, 0.1), noise(1, 0.0005)])
    expect(seconds(events)).toEqual(['started 1.00', 'stopped 2.50'])
  })

  it('does not end at a pause that is shorter than asked for', () => {
    const parts = [noise(1, 0.0005), noise(0.5, 0.1), noise(0.4, 0.0005), noise(0.5, 0.1), noise(1, 0.0005)]
    expect(seconds(detect(parts))).toEqual(['started 1.00', 'stopped 2.90'])
  })

  it('is not started by a click', () => {
    expect(detect([noise(1, 0.0005), noise(0.04, 0.3), noise(1, 0.0005)])).toEqual([])
  })

  it('takes a steady noise for the room after a while', () => {
    const events = detect([noise(12, 0.01), noise(1, 0.1), noise(2, 0.01)])
    expect(seconds(events).slice(-2)).toEqual(['started 12.00', 'stopped 13.50'])
    expect(events.length).toBeLessThanOrEqual(4)
  })

  it('hears nothing in digital silence, nor in what is nearly so', () => {
    expect(detect([new Float32Array(32_000)])).toEqual([])
    expect(detect([new Float32Array(32_000), noise(1, 0.0003)])).toEqual([])
  })

  it('needs louder speech for a higher threshold', () => {
    const parts = [noise(2, 0.002), noise(1, 0.01), noise(1, 0.002)]
    expect(detect(parts, 1600, { ...options, threshold: 0.4 })).toHaveLength(2)
    expect(detect(parts, 1600, { ...options, threshold: 1 })).toHaveLength(0)
  })

  it('does not depend on how the sound is cut', () => {
    const parts = [noise(1, 0.0005), noise(1, 0.1), noise(1, 0.0005)]
    const whole = detect(parts, 1e9)
    for (const chunk of [1, 319, 321, 4001]) expect(detect(parts, chunk)).toEqual(whole)
  })
})
