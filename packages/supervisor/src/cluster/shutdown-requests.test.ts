import { expect, it } from 'vitest'
import { fakeClock } from '../fixtures/fake-clock.js'
import { createShutdownRequests } from './shutdown-requests.js'

it('drains at the first signal, takes one right after it for a duplicate, and kills at the next', () => {
  const clock = fakeClock()
  const done: string[] = []
  const requests = createShutdownRequests(clock, {
    drain: () => done.push('drain'),
    kill: () => done.push('kill'),
  })
  requests.signal()
  clock.advance(99)
  requests.signal()
  expect(done).toEqual(['drain'])
  clock.advance(1)
  requests.signal()
  expect(done).toEqual(['drain', 'kill'])
})
