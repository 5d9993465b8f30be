import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { TextTokenizer } from '../text/tokenizer.js'
import { RollingGuess } from './rolling-guess.js'

const tokenizer = await TextTokenizer.load(
  fileURLToPath(new URL('../../../../../models/demo', import.meta.url)),
)
const separator = tokenizer.controlId('<asr_text>')
const answer = (language: string, text: string) => [
  ...tokenizer.encode(`language ${language}`),
  separator,
  ...tokenizer.encode(text),
]

describe('RollingGuess', () => {
  it('leaves two guesses free, and keeps all but five tokens of each from then on', () => {
    const guess = new RollingGuess(tokenizer, null)
    const first = answer('English', 'I built')
    expect(guess.push(first)).toEqual({ text: 'I built', certain: 0 })
    expect(guess.kept).toEqual([])
    const second = answer('English', 'I build this full moon')
    guess.push(second)
    expect(guess.kept).toEqual(second.slice(0, -5))
    const third = answer('English', 'I build this full moon and the sun').slice(guess.kept.length)
    const kept = [...guess.kept]
    const { text, certain } = guess.push(third)
    expect(guess.kept).toEqual([...kept, ...third].slice(0, -5))
    expect(text).toBe('I build this full moon and the sun')
    expect(text.slice(0, certain)).toBe(
      tokenizer.decode(guess.kept.slice(guess.kept.indexOf(separator) + 1)).trim(),
    )
  })

  it('takes back more each time the model adds nothing, down to nothing', () => {
    const guess = new RollingGuess(tokenizer, 'English')
    const tokens = tokenizer.encode('one and two and three')
    guess.push(tokens)
    guess.push(tokens)
    for (let length = tokens.length - 5; length > 0; length -= 5) {
      expect(guess.kept).toEqual(tokens.slice(0, length))
      expect(guess.push([]).text).toBe(tokenizer.decode(tokens.slice(0, length)).trim())
    }
    expect(guess.kept).toEqual([])
    expect(guess.push(tokens).text).toBe('one and two and three')
  })

  it('keeps whole characters only', () => {
    // Rare ones, of which the vocabulary has only the bytes.
    const text = '今天我们来谈谈魑魅魍魉的传说,还有饕餮和麒麟。'
    const tokens = tokenizer.encode(text)
    expect(tokens.length).toBeGreaterThan([...text].length)
    for (let length = 6; length <= tokens.length; length++) {
      const guess = new RollingGuess(tokenizer, 'Chinese')
      guess.push([])
      const { certain, text: seen } = guess.push(tokens.slice(0, length))
      expect(guess.kept.length).toBeLessThanOrEqual(length - 5)
      expect(text.startsWith(seen.slice(0, certain))).toBe(true)
      expect(tokenizer.decode(guess.kept)).not.toContain('\uFFFD')
    }
  })

  it('counts nothing as certain before the text begins', () => {
    const guess = new RollingGuess(tokenizer, null)
    guess.push(answer('English', ''))
    expect(guess.push(answer('English', 'Hi'))).toEqual({ text: 'Hi', certain: 0 })
  })
})
