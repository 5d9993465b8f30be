import { describe, expect, it } from 'vitest'
import { Departure } from '../departure.js'
import { FakeClock } from '../fixtures/fake-clock.js'
import { makeBackend } from '../fixtures/member.js'
import { seededRandom } from '../fixtures/random.js'
import { ticket } from '../fixtures/ticket.js'
import { policies } from '../policy/index.js'
import { Scheduler, type Lease, type StandIn, type Ticket } from './scheduler.js'

/** One slot, which is taken; `order` has the names of those that got it since. */
async function setUp() {
  const clock = new FakeClock()
  const scheduler = new Scheduler({
    policy: policies['weighted-round-robin'],
    queueMax: 10,
    retryBudget: 0.2,
    clock,
    random: seededRandom(7),
  })
  scheduler.membersKnown = true
  scheduler.setBackends([makeBackend()])
  const order: string[] = []
  let held = await scheduler.acquire(ticket())
  const ask = (name: string, client: string, overrides: Partial<Ticket> = {}): Promise<void> =>
    scheduler.acquire(ticket({ client, ...overrides })).then((lease: Lease) => {
      order.push(name)
      held = lease
    })
  const next = async (): Promise<string | undefined> => {
    held.release()
    await clock.advance(0)
    return order.at(-1)
  }
  return { scheduler, clock, order, ask, next }
}

/** Five of client `a`, the last of which others want too, and two of client `b`. */
async function setUpLines(overrides: Partial<Ticket> = {}) {
  const queue = await setUp()
  let standIn: StandIn = () => () => undefined
  for (const name of ['a1', 'a2', 'a3', 'a4']) void queue.ask(name, 'a')
  const wanted = queue.ask('wanted', 'a', { ...overrides, onWait: (given) => (standIn = given) })
  wanted.catch(() => undefined)
  void queue.ask('b1', 'b')
  return { ...queue, wanted, standIn: (client: string) => standIn(client) }
}

describe('a request that others wait for', () => {
  it('is served when it is the turn of one of them, once', async () => {
    const { scheduler, standIn, next } = await setUpLines()
    standIn('b')
    standIn('c')
    expect(scheduler.queueDepth).toBe(6)
    void scheduler.acquire(ticket({ client: 'b' })).catch(() => undefined)
    expect([await next(), await next(), await next()]).toEqual(['a1', 'b1', 'wanted'])
    expect(scheduler.queueDepth).toBe(4)
    expect([await next(), await next()]).toEqual(['a2', 'a2'])
  })

  it('leaves the line of one that goes away, and all lines when it goes itself', async () => {
    const { scheduler, standIn, next, ask, clock, wanted } = await setUpLines({ patienceMs: 500 })
    const leave = standIn('c')
    leave()
    standIn('d')
    void ask('d1', 'd')
    await clock.advance(500)
    await expect(wanted).rejects.toMatchObject({ code: 'queue_timeout' })
    expect(scheduler.queueDepth).toBe(6)
    expect([await next(), await next(), await next(), await next()]).toEqual(['a1', 'b1', 'd1', 'a2'])
    // Of one that is over nothing is put into a line any more.
    standIn('e')()
    expect(scheduler.queueDepth).toBe(2)
  })

  it('ends no more work of low priority than it alone would', async () => {
    const { scheduler, ask } = await setUp()
    const backends = ['x', 'y'].map((id) => makeBackend({ id, group: 'low' }))
    scheduler.setBackends(backends)
    const low = await Promise.all(
      backends.map(async () => {
        const departure = new Departure()
        await scheduler.acquire(ticket({ low: true, departure, group: 'low' }))
        return departure
      }),
    )
    void ask('wanted', 'a', {
      group: 'low',
      onWait: (standIn) => {
        standIn('b')
        standIn('c')
      },
    })
    expect(low.filter(({ isPreempted }) => isPreempted)).toHaveLength(1)
  })
})
