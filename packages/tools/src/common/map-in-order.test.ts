import { expect, it } from 'vitest'
import { gate } from '../fixtures/gate.js'
import { mapInOrder } from './map-in-order.js'

it('keeps the order, the limit, and goes on after a failure', async () => {
  const first = gate()
  let running = 0
  let most = 0
  const outcomes = mapInOrder(['a', 'b', 'c', 'd'], 2, async (item) => {
    running += 1
    most = Math.max(most, running)
    if (item === 'a') await first.opened
    // The first one ends last.
    if (item === 'd') first.open()
    running -= 1
    if (item === 'c') throw new Error('no c')
    return item.toUpperCase()
  })
  const seen: unknown[] = []
  for await (const outcome of outcomes) {
    seen.push(outcome.status === 'fulfilled' ? outcome.value : (outcome.reason as Error).message)
  }
  expect(seen).toEqual(['A', 'B', 'no c', 'D'])
  expect(most).toBe(2)
})
