import { expect, test } from 'vitest'
import { fakeClock } from '../fixtures/fake-clock.js'
import { createStatusSender } from './status-sender.js'

test('tells of a burst once and soon, and goes on once a second', () => {
  const clock = fakeClock()
  let sent = 0
  const sender = createStatusSender(clock, () => (sent += 1))
  for (let change = 0; change < 100; change += 1) sender.changed()
  expect(sent).toBe(0)
  clock.advance(50)
  expect(sent).toBe(1)
  clock.advance(3_000)
  expect(sent).toBe(4)
  sender.changed()
  clock.advance(50)
  expect(sent).toBe(5)
})

test('is silent once closed', () => {
  const clock = fakeClock()
  let sent = 0
  const sender = createStatusSender(clock, () => (sent += 1))
  sender.changed()
  sender.close()
  sender.changed()
  clock.advance(5_000)
  expect(sent).toBe(0)
})
