import { expect, it } from 'vitest'
import { Bag, type BagEntry } from './bag.js'
import { seededRandom } from './fixtures/random.js'

it('holds what a Set would, whatever comes and goes', () => {
  const random = seededRandom(1)
  const bag = new Bag<number>()
  const present = new Map<number, BagEntry<number>>()
  const gone: BagEntry<number>[] = []
  for (let round = 0; round < 2_000; round += 1) {
    if (random() < 0.52) present.set(round, bag.add(round))
    else {
      const key = [...present.keys()][Math.floor(random() * present.size)]
      const entry = key === undefined ? gone[0] : present.get(key)
      if (entry) {
        bag.remove(entry)
        gone.push(entry)
      }
      if (key !== undefined) present.delete(key)
    }
    for (const entry of gone.slice(-2)) bag.remove(entry)
    expect(bag.size).toBe(present.size)
  }
  expect([...bag].toSorted((a, b) => a - b)).toEqual([...present.keys()])
})

it('goes through those that were there at the start', () => {
  const bag = new Bag<string>()
  const entries = ['a', 'b', 'c'].map((item) => bag.add(item))
  const seen: string[] = []
  for (const item of bag) {
    seen.push(item)
    for (const entry of entries) bag.remove(entry)
  }
  expect(seen).toEqual(['a', 'b', 'c'])
  expect(bag.size).toBe(0)
})
