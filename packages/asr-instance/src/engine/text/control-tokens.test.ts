import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { removeControlTokens } from './control-tokens.js'
import { TextTokenizer } from './tokenizer.js'

const contents = ['<|im_end|>', '<|im_start|>', '<asr_text>', '</think>', '<think>']

/** What it means: removing until nothing changes. */
function removedInRounds(text: string): string {
  let clean = text
  let before
  do {
    before = clean
    for (const content of contents) clean = clean.replaceAll(content, '')
    clean = clean.replaceAll(/<\|[^<>|]*\|>/g, '')
  } while (clean !== before)
  return clean
}

describe('removeControlTokens', () => {
  it.each([
    ['', ''],
    ['a < b | c > d <|', 'a < b | c > d <|'],
    ['a <|im_end|>b<asr_text>', 'a b'],
    ['<|im_<|im_end|>end|>x', 'x'],
    ['<as<think>r_text>', ''],
    ['<|>', '<|>'],
    ['<||>', ''],
    ['<|any\nthing|>', ''],
    ['<|a|b|>', '<|a|b|>'],
    ['im_end|>', 'im_end|>'],
    ['\ud800<|x|>\udc00', '\ud800\udc00'],
  ])('of %j leaves %j', (text, expected) => {
    expect(removeControlTokens(text, contents)).toBe(expected)
    expect(removedInRounds(text)).toBe(expected)
  })

  it('leaves what removing in rounds leaves', () => {
    let seed = 1
    const random = (below: number) => (seed = (seed * 48_271) % 0x7fffffff) % below
    const parts = [
      '<',
      '|',
      '>',
      '<|',
      '|>',
      'a',
      '\n',
      '<as',
      'r_text>',
      '<th',
      'ink>',
      '/',
      'im_',
      'end',
      ...contents,
    ]
    for (let round = 0; round < 20_000; round++) {
      const text = Array.from({ length: random(14) }, () => parts[random(parts.length)]).join('')
      expect(removeControlTokens(text, contents)).toBe(removedInRounds(text))
    }
  })

  it('takes tokens without brackets too, the longer first', () => {
    expect(removeControlTokens('xabcbcay', ['bc', 'abc', ''])).toBe('xay')
    expect(removeControlTokens('xaabcbcy', ['abc'])).toBe('xy')
  })

  it('looks at a nested text once, however deep it is', async () => {
    const tokenizer = await TextTokenizer.load(
      fileURLToPath(new URL('../../../../../models/demo', import.meta.url)),
    )
    // Removing in rounds takes one round per layer, each over the whole text: minutes for this one.
    const layers = 100_000
    const nested = `${'<|'.repeat(layers)}${'|>'.repeat(layers)}`
    expect(tokenizer.withoutControlTokens(`${nested}kept`)).toBe('kept')
    expect(tokenizer.withoutControlTokens('<|x'.repeat(layers))).toHaveLength(3 * layers)
  })
})
