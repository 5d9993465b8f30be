import { describe, expect, it } from 'vitest'
import { countEdits } from './count-edits.js'
import { charactersOf, normalise, wordsOf } from './normalise.js'

describe('wordsOf', () => {
  it.each([
    ['Welcome to the cluster.', ['welcome', 'to', 'the', 'cluster']],
    ["Don’t stop — 'well-known' dogs' tails!", ["don't", 'stop', 'well', 'known', 'dogs', 'tails']],
    ['ＦＵＬＬ width №5, 3.14 %', ['full', 'width', 'no5', '3', '14']],
    ['今天天气很好，我们去 GPU 公园。', [...'今天天气很好我们去', 'gpu', ...'公园']],
    ['我用gpu吧', ['我', '用', 'gpu', '吧']],
    ['สวัสดี', ['ส', 'วั', 'ส', 'ดี']],
    ['İstanbul ÇAY', ['i̇stanbul', 'çay']],
    ['안녕하세요 세계', ['안녕하세요', '세계']],
    ['…!?', []],
    ['', []],
  ])('%s', (text, words) => {
    expect(wordsOf(text)).toEqual(words)
  })

  it('takes composed and decomposed letters for the same', () => {
    expect(wordsOf('Cafe\u0301')).toEqual(wordsOf('CAFÉ'))
    expect(charactersOf('cafe\u0301 x')).toEqual(['c', 'a', 'f', 'é', 'x'])
  })

  it('changes nothing twice', () => {
    const text = "L'été — c’est «fini»"
    expect(normalise(normalise(text))).toBe(normalise(text))
  })
})

describe('countEdits', () => {
  const edits = (reference: string, hypothesis: string) =>
    countEdits(reference.split(' ').filter(Boolean), hypothesis.split(' ').filter(Boolean))

  it.each([
    ['a b c', 'a b c', [0, 0, 0]],
    ['a b c', 'a x c', [1, 0, 0]],
    ['a b c', 'a c', [0, 1, 0]],
    ['a b c', 'a b x c', [0, 0, 1]],
    ['a b c', '', [0, 3, 0]],
    ['', 'a b', [0, 0, 2]],
    ['', '', [0, 0, 0]],
    ['the cat sat on the mat', 'a cat sat the mat now', [1, 1, 1]],
  ])('%s → %s', (reference, hypothesis, [substitutions, deletions, insertions]) => {
    expect(edits(reference, hypothesis)).toEqual({ substitutions, deletions, insertions })
  })

  it('agrees with the length difference: deletions less insertions', () => {
    let seed = 1
    const random = (below: number): number => {
      seed = (seed * 48_271) % 2_147_483_647
      return seed % below
    }
    for (let round = 0; round < 200; round++) {
      const words = () => Array.from({ length: random(12) }, () => 'abc'[random(3)] as string)
      const [reference, hypothesis] = [words(), words()]
      const { substitutions, deletions, insertions } = countEdits(reference, hypothesis)
      expect(deletions - insertions).toBe(reference.length - hypothesis.length)
      const back = countEdits(hypothesis, reference)
      expect(substitutions + deletions + insertions).toBe(
        back.substitutions + back.deletions + back.insertions,
      )
    }
  })
})
