import { describe, expect, it } from 'vitest'
import type { Answer } from '../exchange/answer.js'
import { AnswerCache } from './answer-cache.js'

function answer(bytes: number): Answer {
  return { status: 200, statusText: 'OK', headers: [], body: Buffer.alloc(bytes) }
}

describe('AnswerCache', () => {
  it('forgets what was not used for the longest time', () => {
    const cache = new AnswerCache(3 * 1600)
    for (const key of ['a', 'b', 'c']) cache.set(key, answer(1000))
    expect(cache.get('a')).toBeDefined()
    cache.set('d', answer(1000))
    expect(['a', 'b', 'c', 'd'].filter((key) => cache.get(key))).toEqual(['a', 'c', 'd'])
  })

  it('never holds more than it may', () => {
    const cache = new AnswerCache(10_000)
    for (let index = 0; index < 500; index++) {
      cache.set(`key ${index % 40}`, answer((index * 37) % 12_000))
      expect(cache.bytes).toBeLessThanOrEqual(10_000)
    }
    expect(cache.size).toBeGreaterThan(0)
    expect(cache.get('nothing')).toBeUndefined()
  })

  it('does not throw everything away for one answer that is too large', () => {
    const cache = new AnswerCache(2_000)
    cache.set('small', answer(10))
    cache.set('large', answer(5_000))
    expect(cache.get('large')).toBeUndefined()
    expect(cache.get('small')).toBeDefined()
  })
})
