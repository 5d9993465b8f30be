import { fileURLToPath } from 'node:url'
import { AsrError } from '@asr-cluster/protocol'
import { describe, expect, it } from 'vitest'
import { gate } from '../../http/server.fixture.js'
import type { LiveOptions } from '../engine.js'
import type { DecodedPiece } from '../runtime/engine-worker.js'
import type { PieceRequest } from '../runtime/worker-messages.js'
import { TextTokenizer } from '../text/tokenizer.js'
import { transcribe, type TranscriberContext } from '../transcriber.js'
import { listen } from './listen.js'

const tokenizer = await TextTokenizer.load(
  fileURLToPath(new URL('../../../../../models/demo', import.meta.url)),
)
const separator = tokenizer.controlId('<asr_text>')
const assistant = tokenizer.encode('assistant\n').at(-1)!

/** Sound of half seconds, each of which says a word: its loudness is the number of the word. */
function speech(seconds: number, from = 0): Float32Array {
  return Float32Array.from(
    { length: seconds * 16_000 },
    (_, i) => (from * 2 + Math.floor(i / 8000) + 10) / 2000,
  )
}

type Request = Omit<PieceRequest, 'id'>

const tick = () => new Promise((resolve) => setImmediate(resolve))

interface Setting {
  maxPieceSeconds?: number
  prompt?: string
  decode?: Decode
}

/** An engine that understands `speech`, and goes on behind what it is made to begin with. */
function setUp({ maxPieceSeconds = 10, prompt = '', decode }: Setting = {}) {
  const requests: { seconds: number; kept: number[]; maxNewTokens: number }[] = []
  const closed: number[] = []
  const understand: Decode = async ({ samples, after, ...request }) => {
    const kept = after.slice(after.lastIndexOf(assistant) + 1)
    requests.push({ seconds: samples.length / 16_000, kept, maxNewTokens: request.maxNewTokens })
    const words = new Set(Array.from(samples, (sample) => Math.round(sample * 2000) - 10))
    const text = Array.from(words, (word) => `w${word}`).join(' ')
    const tokens = [...tokenizer.encode('language English'), separator, ...tokenizer.encode(text)]
    expect(tokens.slice(0, kept.length)).toEqual(kept)
    const generated = tokens.slice(kept.length)
    return {
      tokens: generated,
      logprobs: generated.map(() => -0.1),
      reason: 'stop',
      promptTokens: 50,
      stages: [],
    }
  }
  const context: TranscriberContext = {
    worker: {
      async decode(request, signal, onTokens) {
        const piece = await (decode ?? understand)(request, signal, understand)
        onTokens(piece.tokens)
        return piece
      },
      openStream: () => 7,
      closeStream: (stream) => closed.push(stream),
    },
    tokenizer,
    cutRule: { maxPieceSeconds, pauseSeconds: null },
    maxNewTokens: 500,
    mostTokens: 4000,
    maxPiecesAtOnce: 2,
  }
  const guesses: { text: string; certain: string }[] = []
  const decided: string[] = []
  const failed = gate()
  const options: LiveOptions = {
    language: null,
    prompt,
    stepSeconds: 2,
    onGuess: (text, certain) => guesses.push({ text, certain: text.slice(0, certain) }),
    onDecided: (text) => decided.push(text),
    onFailed: failed.open,
  }
  return { context, requests, closed, guesses, decided, failed, live: listen(context, options) }
}

type Decode = (request: Request, signal: AbortSignal, understand: Decode) => Promise<DecodedPiece>

async function upload(context: TranscriberContext, sound: Float32Array) {
  async function* audio() {
    yield sound
  }
  const signal = new AbortController().signal
  return transcribe(context, audio(), { language: null, prompt: '', temperature: 0, signal })
}

describe('listening', () => {
  it('guesses every step, from the third on with the kept beginning of the guess before', async () => {
    const { live, requests, guesses } = setUp({ maxPieceSeconds: 30 })
    for (let second = 0; second < 8; second++) {
      live.push(speech(1, second))
      await tick()
    }
    expect(requests.map(({ seconds }) => seconds)).toEqual([2, 4, 6, 8])
    expect(requests.map(({ kept }) => kept.length > 0)).toEqual([false, false, true, true])
    expect(guesses.map(({ text }) => text.split(' ').length)).toEqual([4, 8, 12, 16])
    expect(guesses[0]!.certain).toBe('')
    for (const [index, { certain }] of guesses.entries()) {
      expect(guesses[index + 1]?.certain.startsWith(certain) ?? true).toBe(true)
    }
    // Room for the new two seconds, not for all of it again.
    expect(requests[3]!.maxNewTokens).toBeLessThan(100)
    live.cancel()
  })

  it('answers what an upload gets, decides each piece once, and never looks further back than a piece', async () => {
    const { context, live, requests, decided, guesses } = setUp()
    for (let second = 0; second < 90; second++) {
      live.push(speech(1, second))
      await tick()
    }
    expect(guesses.length).toBeGreaterThan(40)
    expect(Math.max(...requests.map(({ seconds }) => seconds))).toBeLessThanOrEqual(11)
    const result = await live.finish()
    expect(result).toEqual(await upload(context, speech(90)))
    expect(decided.join(' ')).toBe(result.text)
    expect(result.text.split(' ').length).toBeGreaterThanOrEqual(180)
    expect(result.segments.length).toBe(decided.length)
  })

  it('tells how much finished sound is not decided', async () => {
    const hold = gate()
    const { live } = setUp({
      decode: async (request, signal, understand) => {
        await hold.opened
        return understand(request, signal, understand)
      },
    })
    live.push(speech(5))
    expect(live.undecidedSeconds()).toBe(0)
    live.push(speech(85, 5))
    expect(live.undecidedSeconds()).toBeGreaterThan(70)
    expect(live.undecidedSeconds()).toBeLessThan(90)
    hold.open()
    await live.finish()
    expect(live.undecidedSeconds()).toBe(0)
  })

  it('does not depend on how the sound comes', async () => {
    const whole = setUp()
    whole.live.push(speech(33))
    const parts = setUp()
    const sound = speech(33)
    for (let at = 0; at < sound.length; at += 12_345) parts.live.push(sound.subarray(at, at + 12_345))
    expect(await whole.live.finish()).toEqual(await parts.live.finish())
  })

  it('gives up a guess as soon as the sound is over', async () => {
    const { live, decided } = setUp({
      decode: (request, signal, understand) =>
        request.after.length > 0 && !signal.aborted && request.maxNewTokens < 500
          ? new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))
          : understand(request, signal, understand),
    })
    live.push(speech(3))
    await tick()
    expect((await live.finish()).text).toBe(decided[0])
  })

  it('shows neither a guess that fails nor one that runs in circles, and answers all the same', async () => {
    let calls = 0
    const { live, guesses } = setUp({
      maxPieceSeconds: 30,
      async decode(request, signal, understand) {
        calls++
        if (calls === 1) throw new AsrError('internal', 'out of luck')
        const piece = await understand(request, signal, understand)
        return calls === 2 ? { ...piece, reason: 'loop' } : piece
      },
    })
    for (let step = 0; step < 3; step++) {
      live.push(speech(2, 2 * step))
      await tick()
    }
    expect(guesses.length).toBe(1)
    expect((await live.finish()).text.split(' ').length).toBe(12)
  })

  it('rejects when a piece fails, and leaves nothing in the engine', async () => {
    const { live, closed } = setUp({ decode: () => Promise.reject(new AsrError('internal', 'broken')) })
    live.push(speech(30))
    await tick()
    live.push(speech(30))
    await expect(live.finish()).rejects.toMatchObject({ code: 'internal' })
    expect(closed).toEqual([7])
  })

  it('tells at once that a piece has failed, and keeps no sound from then on', async () => {
    const { live, failed } = setUp({ decode: () => Promise.reject(new AsrError('internal', 'broken')) })
    live.push(speech(30))
    await failed.opened
    expect(live.undecidedSeconds()).toBe(0)
    live.push(speech(30))
    expect(live.undecidedSeconds()).toBe(0)
    const result = live.finish()
    expect(live.undecidedSeconds()).toBe(0)
    await expect(result).rejects.toMatchObject({ code: 'internal' })
  })

  it('rejects a prompt that is too long as an upload does, at the end', async () => {
    const { live, requests, closed } = setUp({ prompt: '1'.repeat(5000) })
    live.push(speech(3))
    await tick()
    await expect(live.finish()).rejects.toMatchObject({ code: 'invalid_request', param: 'prompt' })
    expect([requests, closed]).toEqual([[], [7]])
  })

  it('ends all work when it is cancelled', async () => {
    const signals: AbortSignal[] = []
    const { live, closed } = setUp({
      decode: (_, signal) => {
        signals.push(signal)
        return new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(new AsrError('client_closed', 'gone'))),
        )
      },
    })
    live.push(speech(25))
    await tick()
    live.cancel()
    await tick()
    expect(signals.length).toBeGreaterThan(0)
    expect(signals.every(({ aborted }) => aborted)).toBe(true)
    expect(closed).toEqual([7])
  })

  it('is silent about silence', async () => {
    const { live, guesses, decided, requests } = setUp()
    for (let second = 0; second < 25; second++) {
      live.push(new Float32Array(16_000))
      await tick()
    }
    expect(await live.finish()).toMatchObject({ text: '', segments: [], durationSeconds: 25 })
    expect([guesses, decided, requests]).toEqual([[], [], []])
  })
})
