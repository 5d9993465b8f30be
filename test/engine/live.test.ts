import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEngine, type Engine, type Transcription } from '@asr-cluster/asr-instance'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { demoModelDir, evalSamples, readEvalSet } from './eval-set.ts'

const clips = await readEvalSet()
const sampleRate = 16_000

let dir: string
/** Runs of each stage since the start of the engine. */
const runs = { features: 0, encoder: 0, prefill: 0, decode: 0 }
let demo: Engine
/** The same model, cut like the released ones: half a minute at once. */
let patient: Engine

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'asr-live-'))
  const patientDir = join(dir, 'patient')
  await cp(demoModelDir, patientDir, { recursive: true, filter: (path) => !path.endsWith('.wav') })
  await writeFile(join(patientDir, 'asr-cluster.json'), '{"maxPieceSeconds": 30}')
  demo = await start(demoModelDir)
  patient = await start(patientDir)
})

afterAll(async () => {
  await demo.close()
  await patient.close()
  await rm(dir, { recursive: true })
})

function start(modelDir: string): Promise<Engine> {
  return createEngine({
    modelDir,
    quantization: 'none',
    // So that what is asked for later is also done later.
    slots: 1,
    // Other tests run beside.
    threads: 1,
    sharesCores: true,
    cacheDir: dir,
    onProgress: () => {},
    onFatal: (error) => {
      throw error
    },
    metrics: {
      audioSeconds() {},
      inferenceSeconds: (stage) => runs[stage]++,
      tokens() {},
      batchSize() {},
    },
  })
}

interface Step {
  atSeconds: number
  text: string
  certain: number
  encoderRuns: number
}

/** Says the sound in pieces of 0.5 s, and waits for the text of each step. */
async function speak(engine: Engine, sound: Float32Array, stepSeconds = 2) {
  const steps: Step[] = []
  const decided: string[] = []
  let heard = 0
  let before = runs.encoder
  const live = engine.listen({
    language: null,
    prompt: '',
    stepSeconds,
    onGuess(text, certain) {
      steps.push({ atSeconds: heard / sampleRate, text, certain, encoderRuns: runs.encoder - before })
      before = runs.encoder
    },
    onDecided: (text) => decided.push(text),
    onFailed: () => {},
  })
  for (let at = 0; at < sound.length; at += sampleRate / 2) {
    const part = sound.subarray(at, at + sampleRate / 2)
    const guesses = steps.length
    heard += part.length
    live.push(part)
    // Pieces may have to be decided before there is a guess, and none is shown where the decoder runs in circles.
    const isStep = heard % (stepSeconds * sampleRate) === 0
    for (let turn = 0; isStep && turn < 5 && steps.length === guesses; turn++) await takeTurn(engine)
  }
  return { steps, decided, result: await live.finish() }
}

/** Comes back when the engine has done what it was asked for before. */
async function takeTurn(engine: Engine): Promise<void> {
  await upload(engine, new Float32Array(8_000).fill(0.1), 1)
  runs.encoder--
}

function upload(engine: Engine, sound: Float32Array, maxNewTokens = 400): Promise<Transcription> {
  async function* audio() {
    yield sound
  }
  const signal = new AbortController().signal
  return engine.transcribe(audio(), { language: null, prompt: '', temperature: 0, maxNewTokens, signal })
}

async function recording(seconds: number): Promise<Float32Array> {
  const sound = new Float32Array(seconds * sampleRate)
  for (let at = 0, index = 0; at < sound.length; index++) {
    const samples = await evalSamples(clips[index % clips.length]!)
    sound.set(samples.subarray(0, sound.length - at), at)
    at += samples.length
  }
  return sound
}

test('the text of each clip, English and Mandarin, is that of an upload', async () => {
  let guesses = 0
  for (const clip of clips) {
    const sound = await evalSamples(clip)
    const { result, steps, decided } = await speak(demo, sound, 1)
    const { text, segments } = await upload(demo, sound)
    expect(result.text, clip.audio).toBe(text)
    expect(result.segments.map(({ tokens }) => tokens)).toEqual(segments.map(({ tokens }) => tokens))
    expect(decided.length).toBe(segments.length)
    guesses += steps.length
  }
  expect(new Set(clips.map(({ language }) => language))).toEqual(new Set(['English', 'Chinese']))
  expect(guesses).toBeGreaterThan(clips.length)
})

test.each([
  ['cut into short pieces', () => demo],
  ['cut into half minutes', () => patient],
])('so is the text of 45 seconds %s', async (_, engine) => {
  const sound = await recording(45)
  const { result, steps } = await speak(engine(), sound, 3)
  const { text, segments } = await upload(engine(), sound)
  expect(result.text).toBe(text)
  expect(result.segments.map(({ tokens }) => tokens)).toEqual(segments.map(({ tokens }) => tokens))
  expect(steps.length).toBeGreaterThan(12)
})

test('a step encodes the window that is open and none that was finished, and keeps what was certain', async () => {
  const { steps } = await speak(patient, await recording(29))
  expect(steps.length).toBeGreaterThanOrEqual(12)
  for (const [index, { atSeconds, text, certain, encoderRuns }] of steps.entries()) {
    // A window is open for 8 s; the one that a step ends is encoded once more, with the sound behind it.
    expect(encoderRuns, `at ${atSeconds} s`).toBeLessThanOrEqual(2)
    const next = steps[index + 1]
    if (next) expect(next.text.startsWith(text.slice(0, certain)), next.text).toBe(true)
  }
  expect(steps.at(-1)!.encoderRuns).toBeLessThan(Math.ceil(29 / 8))
  expect(steps.at(-1)!.certain).toBeGreaterThan(50)
})

test('an engine tells how much sound waits to be decided', async () => {
  const live = patient.listen({
    language: null,
    prompt: '',
    stepSeconds: 2,
    onGuess: () => {},
    onDecided: () => {},
    onFailed: () => {},
  })
  live.push(await recording(70))
  expect(live.undecidedSeconds()).toBeGreaterThan(20)
  await live.finish()
  expect(live.undecidedSeconds()).toBe(0)
})
