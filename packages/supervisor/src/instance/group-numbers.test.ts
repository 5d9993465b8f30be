import { expect, it } from 'vitest'
import { numbersFor } from './group-numbers.js'

/** By place: `+` stays, `-` goes first, a space is no member. */
const group = (text: string) =>
  [...text].flatMap((sign, index) => (sign === ' ' ? [] : [{ index, goesFirst: sign === '-' }]))

it.each([
  ['', 2, [0, 1]],
  ['++', 2, [0, 1]],
  ['++', 4, [0, 1, 2, 3]],
  ['+++', 1, [0]],
  ['-++', 2, [1, 2]],
  ['-++', 1, [1]],
  ['-++', 0, []],
  ['-+-', 2, [0, 1]],
  ['-+-', 4, [0, 1, 2, 3]],
  [' +', 1, [1]],
  [' +', 2, [0, 1]],
  ['  +', 3, [0, 1, 2]],
])('of `%s`, for %i, are %j', (members, count, numbers) => {
  expect(numbersFor(group(members), count)).toEqual(numbers)
})
