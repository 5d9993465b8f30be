import { expect, test } from 'vitest'
import { coalesce } from './coalesce.js'

test('calls of one turn are one run, in order; later ones are another', async () => {
  const runs: number[][] = []
  const twice = coalesce(async (items: readonly number[]) => {
    runs.push([...items])
    return items.map((item) => 2 * item)
  })
  expect(await Promise.all([twice(1), twice(2), twice(3)])).toEqual([2, 4, 6])
  expect(await twice(4)).toBe(8)
  expect(runs).toEqual([[1, 2, 3], [4]])
})

test('a run that fails fails for all of it, and the next one is tried', async () => {
  let count = 0
  const run = coalesce(async (items: readonly string[]) => {
    if (count++ === 0) throw new Error('no')
    return items
  })
  const results = await Promise.allSettled([run('a'), run('b')])
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(await run('c')).toBe('c')
})
