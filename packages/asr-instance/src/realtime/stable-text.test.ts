import { describe, expect, it } from 'vitest'
import { DeltaWriter } from './stable-text.js'

function write(use: (writer: DeltaWriter) => void): string[] {
  const deltas: string[] = []
  use(new DeltaWriter((delta) => deltas.push(delta)))
  return deltas
}

describe('DeltaWriter', () => {
  it('holds back the last three words of a guess', () => {
    const guesses = ['', 'one two three', 'one two three four', 'One. Two, three four "five" six seven']
    expect(write((writer) => guesses.forEach((text) => writer.guess(text)))).toEqual([
      'one',
      ' Two, three four',
    ])
  })

  it('goes on behind a word that a later guess has changed', () => {
    const deltas = write((writer) => {
      writer.guess('I built a full moon and it')
      writer.guess('I built this full girl. Sarah opened his memory')
      writer.guess('I built')
    })
    expect(deltas).toEqual(['I built a full', ' girl. Sarah'])
  })

  it('does not repeat punctuation', () => {
    const deltas = write((writer) => {
      writer.guess('Yes. It is a test')
      writer.guess('Yes. It is a test of this one')
      writer.decide('Yes. It is a test of this one.')
    })
    expect(deltas.join('')).toBe('Yes. It is a test of this one.')
  })

  it('joins decided parts as their script asks for', () => {
    const english = write((writer) => {
      writer.decide('The first.')
      writer.decide('The second.')
    })
    expect(english.join('')).toBe('The first. The second.')
    const chinese = write((writer) => {
      writer.guess('今天我们来谈谈语音识别的历史')
      writer.decide('今天我们来谈谈语音识别的历史。')
      writer.decide('它开始于五十年代。')
    })
    expect(chinese.length).toBe(3)
    expect(chinese.join('')).toBe('今天我们来谈谈语音识别的历史。它开始于五十年代。')
  })

  it('does not emit twice what a guess had beyond the decided beginning', () => {
    const deltas = write((writer) => {
      writer.guess('a b c d e f g h i j')
      writer.decide('a b c d')
      writer.guess('e f g h i j k l')
      writer.decide('e f g h i j k l')
    })
    expect(deltas).toEqual(['a b c d e f g', ' h i', ' j k l'])
  })

  it('keeps quotes and brackets with their words', () => {
    const text = 'She said "hello there" (and no more) to all of us'
    const deltas = write((writer) => {
      for (let end = 1; end <= text.length; end++) writer.guess(text.slice(0, end))
      writer.decide(text)
    })
    expect(deltas.join('')).toBe(text)
  })

  it('ends with the rest of the final text, or with nothing where that contradicts', () => {
    expect(
      write((writer) => {
        writer.guess('a b c d e')
        writer.finish('a b c')
        writer.finish('a b c d e f.')
      }),
    ).toEqual(['a b', ' c', ' d e f.'])
    expect(
      write((writer) => {
        writer.guess('a b c d e')
        writer.finish('a x c d e')
      }),
    ).toEqual(['a b'])
  })
})
