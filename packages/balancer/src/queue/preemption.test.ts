import { describe, expect, it } from 'vitest'
import type { Backend } from '../backend/backend.js'
import { Departure } from '../departure.js'
import { FakeClock } from '../fixtures/fake-clock.js'
import { makeBackend } from '../fixtures/member.js'
import { seededRandom } from '../fixtures/random.js'
import { ticket } from '../fixtures/ticket.js'
import { policies } from '../policy/index.js'
import { Scheduler, type Ticket } from './scheduler.js'

async function setUp(backends: Backend[]) {
  const scheduler = new Scheduler({
    policy: policies['weighted-round-robin'],
    queueMax: 10,
    retryBudget: 0.2,
    clock: new FakeClock(),
    random: seededRandom(7),
  })
  scheduler.membersKnown = true
  scheduler.setBackends(backends)
  const ask = (overrides?: Partial<Ticket>) => scheduler.acquire(ticket(overrides))
  /** Fills the slots that are free with requests of low priority. */
  const low = await Promise.all(
    backends.flatMap(({ member: { slots } }) =>
      Array.from({ length: slots }, async () => {
        const departure = new Departure()
        return { departure, lease: await ask({ low: true, departure }) }
      }),
    ),
  )
  const ended = () => low.filter(({ departure }) => departure.isPreempted)
  const endedOn = () => ended().map(({ lease }) => lease.backend.id)
  return { scheduler, ask, ended, endedOn }
}

describe('a request that waits', () => {
  it('ends one of low priority on an instance that would serve it', async () => {
    const backends = ['a', 'b', 'c', 'd'].map((id) => makeBackend({ id })) as [
      Backend,
      Backend,
      Backend,
      Backend,
    ]
    const { ask, ended, endedOn } = await setUp(backends)
    backends[0].member.draining = true
    backends[1].state = 'ejected'
    const waiting = ask()
    expect(endedOn()).toEqual(['c'])
    ended()[0]?.lease.release()
    expect((await waiting).backend.id).toBe('c')
    expect(endedOn()).toEqual(['c'])
  })

  it('ends another when the slot of the first will not be one for it', async () => {
    const backends = ['a', 'b'].map((id) => makeBackend({ id })) as [Backend, Backend]
    const { scheduler, ask, endedOn } = await setUp(backends)
    const waiting = ask()
    expect(endedOn()).toEqual(['a'])
    scheduler.setBackends(backends)
    expect(endedOn()).toEqual(['a'])
    backends[0].member.draining = true
    scheduler.setBackends(backends)
    expect(endedOn()).toEqual(['a', 'b'])
    waiting.catch(() => undefined)
  })

  it('ends another when the instance has fewer slots by the time that the first gives its own back', async () => {
    const backend = makeBackend({ slots: 2 })
    const { ask, ended } = await setUp([backend])
    const waiting = ask()
    backend.member.slots = 1
    ended()[0]?.lease.release()
    expect(ended()).toHaveLength(2)
    ended()[1]?.lease.release()
    expect((await waiting).backend.id).toBe('a')
  })

  it('ends none where a slot is not what it waits for', async () => {
    const [free, full] = [makeBackend({ slots: 10 }), makeBackend({ id: 'b' })]
    const { scheduler, ask, ended, endedOn } = await setUp([full])
    scheduler.setBackends([free, full])
    for (let count = 0; count < 3; count += 1) await ask({ replay: true })
    // Beyond the budget of the replays.
    const waiting = ask({ replay: true })
    expect(scheduler.queueDepth).toBe(1)
    expect(ended()).toHaveLength(0)
    // The other one has a free slot, but not for a request that failed on it.
    await ask()
    const elsewhere = ask({ replay: true, declined: true, avoid: new Map([['a', 0]]) })
    expect(endedOn()).toEqual(['b'])
    ended()[0]?.lease.release()
    expect((await elsewhere).backend.id).toBe('b')
    waiting.catch(() => undefined)
  })
})
