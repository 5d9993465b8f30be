import { expect, it } from 'vitest'
import { sizeFor } from './group-size.js'

/** `+` is alive, `-` is not. */
const group = (text: string) => [...text].map((sign, index) => ({ index, isAlive: sign === '+' }))

it.each([
  ['++', 2, 2],
  ['++', 3, 3],
  ['+++', 1, 1],
  ['-++', 1, 2],
  ['-++', 2, 3],
  ['-+', 2, 3],
  ['+-+', 1, 1],
  ['+-+', 2, 3],
  ['++-', 2, 2],
  ['--++', 3, 5],
])('of %s, for %i alive, are %i', (members, alive, size) => {
  expect(sizeFor(group(members), alive, 8)).toBe(size)
})

it('goes up to the largest size only, and down from any', () => {
  expect(sizeFor(group('-+'), 2, 2)).toBe(2)
  expect(sizeFor(group('-+++++'), 4, 4)).toBe(5)
})
