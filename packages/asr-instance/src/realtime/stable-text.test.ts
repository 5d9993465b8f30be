import { describe, expect, it } from 'vitest'
import { DeltaWriter, withoutLastWords } from './stable-text.js'

describe('withoutLastWords', () => {
  it.each([
    ['', ''],
    ['one two three', ''],
    ['one two three four', 'one'],
    ['Hello, world. This is the end.', 'Hello, world. This'],
    ['"Wait," she said to him', '"Wait," she'],
  ])('%j → %j', (text, expected) => {
    expect(withoutLastWords(text)).toBe(expected)
  })

  it('holds back words of scripts without spaces', () => {
    const text = '今天我们来谈谈语音识别的历史'
    const stable = withoutLastWords(text)
    expect(text.startsWith(stable)).toBe(true)
    expect(stable.length).toBeGreaterThan(3)
    expect(stable.length).toBeLessThan(text.length - 2)
  })
})

describe('DeltaWriter', () => {
  it('emits only what is new, and nothing for what contradicts it', () => {
    const deltas: string[] = []
    const writer = new DeltaWriter((delta) => deltas.push(delta))
    for (const text of ['', 'a b', 'a b', 'a', 'a x y', 'a b c', 'a b c.']) writer.update(text)
    expect(deltas).toEqual(['a b', ' c', '.'])
  })
})
