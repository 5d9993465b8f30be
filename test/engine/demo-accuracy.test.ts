import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Engine, Transcription } from '@asr-cluster/asr-instance'
import type { Quantization } from '@asr-cluster/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hasFfmpeg } from '../api/ffmpeg.ts'
import { openDemoEngine, transcribeSamples, type DemoOptions } from './demo-engine.ts'
import {
  countedWords,
  decodedSamples,
  evalDir,
  evalSamples,
  openDir,
  readEvalSet,
  referenceText,
  unheardDir,
  wordErrorRate,
  wordErrors,
  type EvalClip,
} from './eval-set.ts'

let cacheDir: string
const clips = await readEvalSet()
const referenceRate = wordErrorRate(clips, clips.map(referenceText))

beforeAll(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'asr-accuracy-'))
})

afterAll(async () => {
  await rm(cacheDir, { recursive: true })
})

async function withEngine<T>(
  quantization: Quantization,
  use: (engine: Engine) => Promise<T>,
  options: DemoOptions = {},
): Promise<T> {
  const demo = await openDemoEngine(quantization, { ...options, cacheDir })
  try {
    return await use(demo.engine)
  } finally {
    await demo.close()
  }
}

async function transcribeClip(
  engine: Engine,
  clip: EvalClip,
  onDelta?: (delta: string) => void,
): Promise<Transcription> {
  return transcribeSamples(engine, await evalSamples(clip), onDelta)
}

const threadCount = async () => (await readdir('/proc/self/task')).length
const isEspeak = ({ voice }: EvalClip): boolean => voice.includes('+')
const tokensOf = (results: readonly Transcription[]): number[][][] =>
  results.map(({ segments }) => segments.map(({ tokens }) => tokens))
const texts = (results: readonly Transcription[]): string[] => results.map(({ text }) => text)

test('float32: every clip as the reference writes it, alone and eight at once', async () => {
  await withEngine('none', async (engine) => {
    const alone: Transcription[] = []
    for (const clip of clips) {
      let deltas = ''
      const result = await transcribeClip(engine, clip, (delta) => (deltas += delta))
      expect(deltas).toBe(result.text)
      alone.push(result)
    }
    const together = await Promise.all(clips.map((clip) => transcribeClip(engine, clip)))
    expect(tokensOf(together)).toEqual(tokensOf(alone))
    expect(Math.abs(wordErrorRate(clips, texts(alone)) - referenceRate)).toBeLessThanOrEqual(0.005)
    const same = alone.filter(
      ({ language, text }, i) => `language ${language}<asr_text>${text}` === clips[i]!.reference_output,
    )
    // Nearly all, because another order of float additions may tip a close call.
    expect(same.length).toBeGreaterThanOrEqual(clips.length - 2)
  })
})

test.each([
  { voices: 'trained', dir: evalDir, kind: () => true, count: 80, allowed: 0.04 },
  { voices: 'espeak-ng', dir: evalDir, kind: isEspeak, count: 38, allowed: 0.02 },
  { voices: 'never heard', dir: unheardDir, kind: () => true, count: 40, allowed: 0.08 },
])(
  '$count clips of $voices voices: at most $allowed of the words wrong',
  async ({ dir, kind, count, allowed }) => {
    const chosen = (await readEvalSet(dir)).filter(kind)
    expect(chosen).toHaveLength(count)
    const heard = await withEngine('none', (engine) =>
      Promise.all(chosen.map(async (clip) => transcribeSamples(engine, await evalSamples(clip, dir)))),
    )
    const rate = wordErrorRate(chosen, texts(heard))
    expect(rate).toBeLessThanOrEqual(allowed)
    expect(Math.abs(rate - wordErrorRate(chosen, chosen.map(referenceText)))).toBeLessThanOrEqual(0.005)
  },
)

test.skipIf(!hasFfmpeg)(
  '120 sentences outside the grammar: as the reference, a third of the words wrong at most',
  async () => {
    const open = await readEvalSet(openDir)
    expect(open).toHaveLength(120)
    const heard = await withEngine('none', async (engine) => {
      const samples = await decodedSamples(open, openDir)
      return Promise.all(samples.map((clip) => transcribeSamples(engine, clip)))
    })
    const rate = wordErrorRate(open, texts(heard))
    expect(rate).toBeLessThanOrEqual(1 / 3)
    expect(Math.abs(rate - wordErrorRate(open, open.map(referenceText)))).toBeLessThanOrEqual(0.01)
  },
)

test.each([
  ['int8', 0.005],
  ['int4', 0.015],
] as const)(
  '%s loses at most %d of word error rate, alone and eight at once, prepared side by side',
  async (quantization, allowed) => {
    const compare = async (engine: Engine) => {
      const alone: Transcription[] = []
      for (const clip of clips) alone.push(await transcribeClip(engine, clip))
      const threads = await threadCount()
      const together = await Promise.all(clips.map((clip) => transcribeClip(engine, clip)))
      expect(await threadCount()).toBeGreaterThanOrEqual(threads + 2)
      expect(tokensOf(together)).toEqual(tokensOf(alone))
      expect(wordErrorRate(clips, texts(together)) - referenceRate).toBeLessThanOrEqual(allowed)
    }
    // A small model is prepared in no time; so that its pieces are too.
    await withEngine(quantization, compare, { sideBySideFromSeconds: 0, threads: 2 })
  },
)

test('a client that leaves gets an error at once and leaves the others their rows', async () => {
  await withEngine('none', async (engine) => {
    const leaving = new AbortController()
    async function* endless() {
      const samples = await evalSamples(clips[0]!)
      for (let i = 0; i < 1000; i++) {
        if (i === 5) leaving.abort()
        yield samples
      }
    }
    const options = { language: null, prompt: '', temperature: 0, signal: leaving.signal }
    await expect(engine.transcribe(endless(), options)).rejects.toMatchObject({ code: 'client_closed' })
    expect((await transcribeClip(engine, clips[1]!)).text).toBe(clips[1]!.text)
  })
})

test('an hour-like recording of many clips: each sentence once, in order, with its time', async () => {
  await withEngine('none', async (engine) => {
    const chosen = clips.filter(
      (clip) => clip.reference_output === `language ${clip.language}<asr_text>${clip.text}`,
    )
    const starts: number[] = []
    let at = 0
    async function* audio() {
      for (const clip of chosen) {
        const samples = await evalSamples(clip)
        starts.push(at / 16_000)
        at += samples.length + 12_000
        yield samples
        yield new Float32Array(12_000)
      }
    }
    let deltas = ''
    const signal = new AbortController().signal
    const result = await engine.transcribe(audio(), {
      language: null,
      prompt: '',
      temperature: 0,
      signal,
      onDelta: (delta) => (deltas += delta),
    })
    expect(result.durationSeconds).toBeCloseTo(at / 16_000, 3)
    expect(deltas).toBe(result.text)
    const expected = chosen.flatMap((clip) => countedWords(clip.text))
    const actual = result.segments.flatMap((segment) => countedWords(segment.text))
    // Cutting changes the silence around a sentence, which may change a word; a gap or a doubling would cost far more.
    expect(wordErrors(expected, actual) / expected.length).toBeLessThan(0.05)
    for (const [i, segment] of result.segments.entries()) {
      expect(segment.id).toBe(i)
      expect(segment.start).toBeGreaterThanOrEqual(i === 0 ? 0 : result.segments[i - 1]!.end - 0.5)
    }
  })
})

test('silence gives no text, and a forced language gives text only', async () => {
  await withEngine('none', async (engine) => {
    const signal = new AbortController().signal
    async function* silence() {
      yield new Float32Array(48_000)
    }
    const quiet = await engine.transcribe(silence(), { language: null, prompt: '', temperature: 0, signal })
    expect(quiet).toMatchObject({
      text: '',
      language: '',
      segments: [],
      confidence: null,
      durationSeconds: 3,
    })
    async function* clip() {
      yield await evalSamples(clips[1]!)
    }
    const forced = await engine.transcribe(clip(), {
      language: 'English',
      prompt: '',
      temperature: 0,
      signal,
    })
    expect(forced).toMatchObject({ text: clips[1]!.text, language: 'English' })
    expect(forced.confidence).toBeGreaterThan(0.5)
  })
})
