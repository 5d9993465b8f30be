import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDemoEngine, transcribeSamples, type DemoEngine } from './demo-engine.ts'

const sampleRate = 16_000

let demo: DemoEngine

beforeAll(async () => {
  demo = await openDemoEngine('none')
})

afterAll(async () => {
  await demo.close()
})

/** Uniform random numbers from -1 to 1 (mulberry32), the same on every run. */
function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 31 - 1
  }
}

type Sound = (random: () => number) => (index: number) => number

const sounds: Record<string, Sound> = {
  'white noise': (random) => random,
  'deep noise': (random) => {
    let level = 0
    return () => (level = 0.98 * level + random())
  },
  'mains hum': (random) => (index) => Math.sin((2 * Math.PI * 50 * index) / sampleRate) + 0.2 * random(),
  'bursts of noise': (random) => (index) =>
    Math.floor(index / 2_000) % 5 === 0 ? random() : 0.01 * random(),
}

/** Samples of a root mean square of `decibels` below full scale. */
function soundOf(name: string, seconds: number, decibels: number, seed: number): Float32Array {
  const next = sounds[name]!(randomNumbers(seed))
  const samples = Float32Array.from({ length: Math.round(seconds * sampleRate) }, (_, index) => next(index))
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length
  const gain = 10 ** (decibels / 20) / Math.sqrt(power)
  return samples.map((sample) => Math.max(-1, Math.min(1, sample * gain)))
}

const noises = Object.keys(sounds).flatMap((name, kind) =>
  [-60, -45, -30, -20].map((decibels, n) => ({
    name,
    decibels,
    seconds: 1 + ((kind + 2 * n) % 5),
    seed: 10 * kind + n,
  })),
)

test.each([0.1, 0.7, 3, 20])('%d s of silence gives no text', async (seconds) => {
  const silence = new Float32Array(Math.round(seconds * sampleRate))
  expect(await transcribeSamples(demo.engine, silence)).toMatchObject({
    text: '',
    language: '',
    segments: [],
  })
})

test.each(noises)(
  '$seconds s of $name at $decibels dB give no text',
  async ({ name, decibels, seconds, seed }) => {
    const { text } = await transcribeSamples(demo.engine, soundOf(name, seconds, decibels, seed))
    expect(text).toBe('')
  },
)
