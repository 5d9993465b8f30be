import { describe, expect, it } from 'vitest'
import { columnsOf } from './columns.js'
import { wrapLines } from './wrap.js'

describe('columnsOf', () => {
  it.each([
    ['hello', 5],
    ['你好', 4],
    ['ｆｕｌｌ', 8],
    ['カﾅ', 3],
    ['한국', 4],
    ['e\u0301', 1],
    ['👍🏽', 2],
    ['', 0],
  ])('%j is %i wide', (text, columns) => {
    expect(columnsOf(text)).toBe(columns)
  })
})

describe('wrapLines', () => {
  it('breaks evenly at spaces', () => {
    const text = 'The quick brown fox jumps over the lazy dog and runs away'
    expect(wrapLines(text, 42)).toEqual(['The quick brown fox jumps over', 'the lazy dog and runs away'])
  })

  it('keeps a short text in one line', () => {
    expect(wrapLines('Hello, world.', 42)).toEqual(['Hello, world.'])
    expect(wrapLines('', 42)).toEqual([])
  })

  it('breaks Chinese and Japanese between words, never before closing punctuation', () => {
    expect(wrapLines('今天天气很好，我们去公园散步。', 16)).toEqual(['今天天气很好，', '我们去公园散步。'])
    for (let columns = 12; columns < 40; columns++) {
      const lines = wrapLines('「今日は、とても良い天気です。」と彼女は言った。', columns)
      for (const line of lines) expect(line).not.toMatch(/^[、。」]|「$/)
      expect(lines.join('')).toBe('「今日は、とても良い天気です。」と彼女は言った。')
    }
  })

  it('keeps the spaces of mixed text', () => {
    expect(wrapLines('我们用 GPU 来识别语音 very quickly', 100)).toEqual([
      '我们用 GPU 来识别语音 very quickly',
    ])
  })

  it('breaks Thai, which has no spaces', () => {
    for (const line of wrapLines('ภาษาไทยเป็นภาษาที่มีระดับเสียงของคำแน่นอน', 20)) {
      expect(columnsOf(line)).toBeLessThanOrEqual(20)
    }
  })

  it('breaks inside a word only when it is longer than a line', () => {
    expect(wrapLines(`a ${'x'.repeat(25)} b`, 10)).toEqual(['a', 'xxxxxxxxxx', 'xxxxxxxxxx', 'xxxxx b'])
    expect(wrapLines("don't 3.14 well-known", 10)).toEqual(["don't 3.14", 'well-known'])
  })

  it('never makes a line too wide and never loses a character', () => {
    const texts = [
      'a bb ccc dddd eeeee ffffff',
      '你好world，混合text。',
      'x'.repeat(50),
      '😀😀😀😀😀',
      '(a) [b] "c" — d',
    ]
    for (const text of texts) {
      for (let columns = 2; columns <= 20; columns++) {
        const lines = wrapLines(text, columns)
        for (const line of lines)
          expect(columnsOf(line), `${text} in ${columns}`).toBeLessThanOrEqual(columns)
        expect(lines.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''))
      }
    }
  })
})
