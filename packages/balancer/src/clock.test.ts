import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { systemClock } from './clock.js'

it('waits for longer than a timer can, rather than for one millisecond', async () => {
  let isOver = false
  const cancel = systemClock.after(2 ** 31, () => void (isOver = true))
  await sleep(20)
  cancel()
  expect(isOver).toBe(false)
})
