import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { audioTokens } from '../features/audio-tokens.js'
import { LogMelExtractor } from '../features/log-mel.js'
import { answerRoom } from './answer-room.js'
import { buildPrompt, mostContextTokens } from './prompt.js'
import { TextTokenizer } from './tokenizer.js'

const tokenizer = await TextTokenizer.load(
  fileURLToPath(new URL('../../../../../models/demo', import.meta.url)),
)

test('a context of more tokens than are taken is refused', () => {
  const context = (tokens: number) => '1'.repeat(tokens)
  const empty = buildPrompt(tokenizer, '', null).before.length
  expect(buildPrompt(tokenizer, context(mostContextTokens), null).before).toHaveLength(
    empty + mostContextTokens,
  )
  expect(() => buildPrompt(tokenizer, context(mostContextTokens + 1), null)).toThrow(
    expect.objectContaining({ code: 'invalid_request', param: 'prompt' }),
  )
})

test.each([0, 1, 7_999, 8_160, 20_000, 163_211])('the sound of %i samples leaves room', (samples) => {
  const sound = audioTokens(new LogMelExtractor().extract(new Float32Array(samples)).frames)
  const prompt = { before: [1, 2], after: [3] }
  expect(answerRoom(prompt, samples, 1000)).toBe(1000 - sound - 3)
  expect(answerRoom(prompt, samples, sound + 4)).toBe(1)
  expect(() => answerRoom(prompt, samples, sound + 3)).toThrow(
    expect.objectContaining({ code: 'invalid_request', param: 'prompt' }),
  )
})
