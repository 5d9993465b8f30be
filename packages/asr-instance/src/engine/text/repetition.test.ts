import { expect, test } from 'vitest'
import { collapseRepetitions, endsInLoop } from './repetition.js'

test('text without loops is left alone', () => {
  const text = 'Nineteen nineteen nineteen. 哈哈哈哈 a a a a'
  expect(collapseRepetitions(text)).toBe(text)
})

test('more than 20 equal characters become one, a pattern of 20 repeats is kept once', () => {
  expect(collapseRepetitions(`a${'!'.repeat(21)}b`)).toBe('a!b')
  expect(collapseRepetitions(`x${'!'.repeat(15)}y`)).toBe(`x${'!'.repeat(15)}y`)
  expect(collapseRepetitions(`so ${'la '.repeat(30)}end`)).toBe('so la end')
})

test('a loop of tokens is found at its twentieth turn, not before', () => {
  const turns = (count: number) => [9, 8, ...Array.from({ length: count }, () => [1, 2, 3]).flat()]
  expect(endsInLoop(turns(19))).toBe(false)
  expect(endsInLoop(turns(20))).toBe(true)
  expect(endsInLoop([...turns(20), 4])).toBe(false)
  expect(endsInLoop(Array.from({ length: 20 }, () => 5))).toBe(true)
})
