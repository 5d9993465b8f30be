import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { AnswerReader } from './answer.js'
import { TextTokenizer } from './tokenizer.js'

const tokenizer = await TextTokenizer.load(
  fileURLToPath(new URL('../../../../../models/demo', import.meta.url)),
)
const separator = tokenizer.controlId('<asr_text>')

function read(tokens: readonly number[], forced: string | null = null) {
  const reader = new AnswerReader(tokenizer, forced)
  const deltas = tokens.map((token) => reader.push([token]))
  return { deltas, language: reader.language, ...reader.finish() }
}

const answer = (text: string) => [
  ...tokenizer.encode('language Chinese'),
  separator,
  ...tokenizer.encode(text),
]

describe('AnswerReader', () => {
  // Few of these characters are whole tokens of the demo's vocabulary.
  it.each(['Hello there.', '你好,世界。', 'naïve café 👩‍👩‍👧 end', '\uFEFFafter a mark', '� is a character'])(
    'gives out %j in whole characters, the sum of them the text',
    (text) => {
      const { deltas, language, rest, text: whole } = read(answer(text))
      expect(deltas.join('') + rest).toBe(text)
      expect(whole).toBe(text.trim())
      expect(language).toBe('Chinese')
      const isWhole = (delta: string) => text.includes('\uFFFD') || !delta.includes('\uFFFD')
      expect(deltas.every(isWhole)).toBe(true)
    },
  )

  it('has the text of the whole for any tokens, cut characters included', () => {
    let state = 1
    const random = () => (state = (state * 48_271) % 2_147_483_647)
    for (let run = 0; run < 200; run++) {
      const tokens = Array.from({ length: 1 + (random() % 30) }, () => random() % 1500)
      const { deltas, rest } = read(tokens, 'English')
      expect(deltas.join('') + rest, tokens.join(' ')).toBe(tokenizer.decode(tokens).trimEnd())
    }
  })

  it('gives out white space only once more follows, as the whole text does not end with it', () => {
    const { deltas, rest, text } = read([
      ...answer('done. '),
      ...tokenizer.encode(' \n and more.'),
      ...tokenizer.encode(' \n '),
    ])
    expect(deltas.join('') + rest).toBe('done.  \n and more.')
    expect(text).toBe('done.  \n and more.')
    expect(deltas.every((delta) => delta === delta.trimEnd())).toBe(true)
    expect(read(tokenizer.encode('only words ')).rest).toBe('only words')
  })

  it.each([
    ['Ninety. None<asr_text>', 'Ninety.'],
    ['language English<asr_text>Hello.', 'Hello.'],
    ['Ninety. language None<asr_text>And more.', 'Ninety. And more.'],
    ['你好。None<asr_text>', '你好。'],
    ['One of the<asr_text> languages is', 'One of the languages is'],
    ['The language is known, none is no', 'The language is known, none is no'],
    ['a <|im_start|>b<|endoftext|>', 'a b'],
  ])('drops heads inside %j, and all that is no text', (written, expected) => {
    const tokens = written
      .split(/(<[^>]+>)/)
      .flatMap((part) => (part.startsWith('<') ? tokenizer.controlId(part) : tokenizer.encode(part)))
    const { deltas, rest, text } = read(tokens, 'English')
    expect(text).toBe(expected)
    expect(deltas.join('') + rest).toBe(expected)
    expect(read([...answer(''), ...tokens]).text).toBe(expected)
  })

  it('holds back nothing but what may be a head', () => {
    const { deltas } = read(tokenizer.encode('Hello there, no language is like it'), 'English')
    expect(deltas.join('')).toBe('Hello there, no language is like it')
  })

  it('says nothing where the model hears no language, and takes an answer without separator as text', () => {
    const none = [...tokenizer.encode('language None'), separator, ...tokenizer.encode('noise')]
    expect(read(none)).toMatchObject({ text: '', rest: '', language: '' })
    expect(read(none).deltas.join('')).toBe('')
    expect(read(tokenizer.encode('only words'))).toMatchObject({ text: 'only words', rest: 'only words' })
  })

  it('decodes each token once, however long the text', () => {
    const tokens = tokenizer.encode('again and again and so on '.repeat(20))
    let asked = 0
    const counting = {
      controlId: () => separator,
      bytes: (id: number) => (asked++, tokenizer.bytes(id)),
    } as unknown as TextTokenizer
    const reader = new AnswerReader(counting, 'English')
    for (const token of tokens) reader.push([token])
    reader.finish()
    expect(asked).toBe(tokens.length)
  })
})
