import { expect, test } from 'vitest'
import { separatorBetween } from './join.js'
import { OrderedDeltas } from './ordered-deltas.js'

test.each([
  ['Hello.', 'World', ' '],
  ['你好。', '世界', ''],
  ['Hello', '世界', ''],
  ['한국어', '문장', ' '],
  ['', 'x', ''],
  ['ends ', 'x', ''],
])('between %j and %j stands %j', (before, after, separator) => {
  expect(separatorBetween(before, after)).toBe(separator)
})

test('deltas of pieces that run side by side come out in order, with separators', () => {
  let out = ''
  const deltas = new OrderedDeltas((delta) => (out += delta))
  deltas.push(1, 'two')
  deltas.push(0, ' one')
  deltas.finish(1)
  deltas.push(2, 'three')
  expect(out).toBe('one')
  deltas.finish(0)
  expect(out).toBe('one two three')
  deltas.finish(2)
  deltas.push(3, '四')
  expect(out).toBe('one two three四')
})
