import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { buildPrompt } from './text/prompt.js'
import { TextTokenizer } from './text/tokenizer.js'
import { checkPrompt, transcribe, type TranscriberContext } from './transcriber.js'

const tokenizer = await TextTokenizer.load(fileURLToPath(new URL('../../../../models/demo', import.meta.url)))

function contextWith(mostTokens: number, asked: number[] = []): TranscriberContext {
  return {
    worker: {
      decode: (request) => {
        asked.push(request.maxNewTokens)
        return Promise.resolve({ tokens: [], logprobs: [], reason: 'length', promptTokens: 0, stages: [] })
      },
      openStream: () => 0,
      closeStream: () => {},
    },
    tokenizer,
    cutRule: { maxPieceSeconds: 30, pauseSeconds: null },
    maxNewTokens: 500,
    mostTokens,
    maxPiecesAtOnce: 1,
  }
}

/** Transcribes a second of sound, 13 tokens; notes the tokens that each answer may have. */
async function transcribeSecond(mostTokens: number, maxNewTokens?: number) {
  const asked: number[] = []
  async function* audio() {
    yield new Float32Array(16_000).fill(0.1)
  }
  const result = transcribe(contextWith(mostTokens, asked), audio(), {
    language: null,
    prompt: 'Kubernetes',
    temperature: 0,
    signal: new AbortController().signal,
    ...(maxNewTokens === undefined ? {} : { maxNewTokens }),
  })
  const code = await result.then(
    () => 'ok',
    ({ code, param }: { code: string; param: string }) => `${code}: ${param}`,
  )
  return { asked, code }
}

test('an answer ends where the model has no more positions', async () => {
  const { before, after } = buildPrompt(tokenizer, 'Kubernetes', null)
  const prompt = before.length + 13 + after.length
  expect(await transcribeSecond(prompt + 600)).toEqual({ asked: [500], code: 'ok' })
  expect(await transcribeSecond(prompt + 20)).toEqual({ asked: [20], code: 'ok' })
  expect(await transcribeSecond(prompt + 20, 7)).toEqual({ asked: [7], code: 'ok' })
})

test('a prompt that leaves no room for an answer is refused before anything is computed', async () => {
  const { before, after } = buildPrompt(tokenizer, 'Kubernetes', null)
  const prompt = before.length + 13 + after.length
  expect(await transcribeSecond(prompt)).toEqual({ asked: [], code: 'invalid_request: prompt' })
})

test('a prompt is checked against the longest piece', () => {
  const { before, after } = buildPrompt(tokenizer, 'Kubernetes', 'English')
  const used = before.length + 30 * 13 + after.length
  expect(() => checkPrompt(contextWith(used + 1), 'Kubernetes', 'English')).not.toThrow()
  expect(() => checkPrompt(contextWith(used), 'Kubernetes', 'English')).toThrow(
    expect.objectContaining({ code: 'invalid_request', param: 'prompt' }),
  )
})

test('no piece is begun for a client that left', async () => {
  const client = new AbortController()
  const asked: number[] = []
  let askedBefore = 0
  let read = 0
  async function* audio() {
    for (; read < 200; read++) {
      if (read === 100) {
        askedBefore = asked.length
        client.abort()
      }
      yield new Float32Array(16_000).fill(0.1)
    }
  }
  const result = transcribe(contextWith(4000, asked), audio(), {
    language: null,
    prompt: '',
    temperature: 0,
    signal: client.signal,
  })
  await expect(result).rejects.toMatchObject({ code: 'client_closed' })
  expect(asked.length).toBe(askedBefore)
  expect(read).toBeLessThan(130)
})
