import { describe, expect, it } from 'vitest'
import { DeltaWriter } from './stable-text.js'

function write(use: (writer: DeltaWriter) => void): { deltas: string[]; tentative: string[] } {
  const deltas: string[] = []
  const tentative: string[] = []
  use(
    new DeltaWriter((delta, rest) => {
      if (delta !== '') deltas.push(delta)
      tentative.push(rest)
    }),
  )
  return { deltas, tentative }
}

/** What stands before the bar is certain. */
function guess(writer: DeltaWriter, marked: string): void {
  writer.guess(marked.replace('|', ''), marked.indexOf('|'))
}

describe('DeltaWriter', () => {
  it('gives out whole words that are certain, and tells what stands behind them', () => {
    const guesses = ['|', '|one two', 'one tw|o thr', 'One. Two, three four "fi|ve" six']
    const { deltas, tentative } = write((writer) => guesses.forEach((text) => guess(writer, text)))
    expect(deltas).toEqual(['one', ' Two, three four'])
    expect(tentative).toEqual(['one two', 'two thr', '"five" six'])
  })

  it('says nothing where nothing changed', () => {
    const { tentative } = write((writer) => {
      for (let i = 0; i < 3; i++) guess(writer, 'one |two')
    })
    expect(tentative).toEqual(['two'])
  })

  it('goes on behind a word that a decided text has changed', () => {
    const { deltas, tentative } = write((writer) => {
      guess(writer, 'I built a full |moon and it')
      writer.decide('I built this full girl. Sarah opened')
    })
    expect(deltas).toEqual(['I built a full', ' girl. Sarah opened'])
    expect(tentative).toEqual(['moon and it', ''])
  })

  it('does not repeat punctuation', () => {
    const { deltas } = write((writer) => {
      guess(writer, 'Yes. |It is a test')
      guess(writer, 'Yes. It is a test |of this one')
      writer.decide('Yes. It is a test of this one.')
    })
    expect(deltas.join('')).toBe('Yes. It is a test of this one.')
  })

  it('joins decided parts as their script asks for', () => {
    const english = write((writer) => {
      writer.decide('The first.')
      writer.decide('The second.')
    })
    expect(english.deltas.join('')).toBe('The first. The second.')
    const chinese = write((writer) => {
      guess(writer, '今天我们来谈谈语音|识别的历史')
      writer.decide('今天我们来谈谈语音识别的历史。')
      writer.decide('它开始于五十年代。')
    })
    expect(chinese.deltas.length).toBe(3)
    expect(chinese.deltas.join('')).toBe('今天我们来谈谈语音识别的历史。它开始于五十年代。')
  })

  it('does not give out twice what a guess had beyond the decided beginning', () => {
    const { deltas } = write((writer) => {
      guess(writer, 'a b c d e f g |h i j')
      writer.decide('a b c d')
      guess(writer, 'e f g h i |j k l')
      writer.decide('e f g h i j k l')
    })
    expect(deltas).toEqual(['a b c d e f g', ' h i', ' j k l'])
  })

  it('gives out a part whole where what was said too much is not its beginning', () => {
    const { deltas } = write((writer) => {
      guess(writer, 'a b x x x x x x |x')
      writer.decide('a b')
      guess(writer, 'c d e |f')
      writer.decide('c d e f')
    })
    expect(deltas.join('')).toBe('a b x x x x x x c d e f')
  })

  it('keeps quotes and brackets with their words', () => {
    const text = 'She said "hello there" (and no more) to all of us'
    const { deltas } = write((writer) => {
      for (let end = 1; end <= text.length; end++) writer.guess(text.slice(0, end), end - 1)
      writer.decide(text)
    })
    expect(deltas.join('')).toBe(text)
  })

  it('ends with the rest of the final text, or with nothing where that contradicts', () => {
    const ends = (...texts: string[]) =>
      write((writer) => {
        guess(writer, 'a b |c d e')
        for (const text of texts) writer.finish(text)
      })
    expect(ends('a b c', 'a b c d e f.').deltas).toEqual(['a b', ' c', ' d e f.'])
    expect(ends('a x c d e')).toEqual({ deltas: ['a b'], tentative: ['c d e', ''] })
  })
})
