import { AsrError } from '@asr-cluster/protocol'
import { describe, expect, it } from 'vitest'
import type { Backend } from '../backend/backend.js'
import { Departure } from '../departure.js'
import { FakeClock, settle } from '../fixtures/fake-clock.js'
import { makeBackend } from '../fixtures/member.js'
import { seededRandom } from '../fixtures/random.js'
import { ticket } from '../fixtures/ticket.js'
import { policies } from '../policy/index.js'
import { Scheduler, type Lease } from './scheduler.js'

function setUp(backends: Backend[], options: { queueMax?: number } = {}) {
  const clock = new FakeClock()
  const scheduler = new Scheduler({
    policy: policies['weighted-round-robin'],
    queueMax: options.queueMax ?? 10,
    retryBudget: 0.2,
    clock,
    random: seededRandom(7),
  })
  scheduler.membersKnown = true
  scheduler.setBackends(backends)
  return { clock, scheduler }
}

/** Collects leases in the order in which they are granted. */
function collect(promise: Promise<Lease>, name: string, into: string[]): Promise<Lease> {
  return promise.then((lease) => {
    into.push(name)
    return lease
  })
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'granted',
    (error: unknown) => (error as AsrError).code,
  )

describe('Scheduler', () => {
  it('grants the freed slot to the head of the queue', async () => {
    const { scheduler } = setUp([makeBackend()])
    const order: string[] = []
    const first = await scheduler.acquire(ticket())
    const second = collect(scheduler.acquire(ticket()), 'second', order)
    const third = collect(scheduler.acquire(ticket()), 'third', order)
    expect(scheduler.queueDepth).toBe(2)
    first.release()
    first.release()
    ;(await second).release()
    ;(await third).release()
    expect(order).toEqual(['second', 'third'])
    expect(scheduler.inFlight).toBe(0)
  })

  it('refuses with queue_full when the queue is full, and says when to come again', async () => {
    const { scheduler } = setUp([makeBackend()], { queueMax: 1 })
    await scheduler.acquire(ticket())
    const waiting = scheduler.acquire(ticket())
    waiting.catch(() => undefined)
    const error = await scheduler.acquire(ticket()).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(AsrError)
    expect(error).toMatchObject({ code: 'queue_full', status: 429 })
    expect((error as AsrError).retryAfterSeconds).toBeGreaterThanOrEqual(1)
    expect(() => scheduler.admit(undefined)).toThrow('waiting already')
  })

  it('tells one of low priority that it has to yield, also when the queue is full', async () => {
    const { scheduler } = setUp([makeBackend()], { queueMax: 1 })
    await scheduler.acquire(ticket())
    const waiting = scheduler.acquire(ticket())
    waiting.catch(() => undefined)
    const yielded = expect.objectContaining({ code: 'yielded', retryAfterSeconds: 1 }) as Error
    expect(() => scheduler.admit(undefined, { low: true })).toThrow(yielded)
    await expect(scheduler.acquire(ticket({ low: true }))).rejects.toThrow(yielded)
  })

  it('serves a group with a free slot while those of another fill the queue', async () => {
    const { scheduler } = setUp([makeBackend({ group: 'busy' }), makeBackend({ id: 'b', group: 'idle' })], {
      queueMax: 1,
    })
    await scheduler.acquire(ticket({ group: 'busy' }))
    const waiting = scheduler.acquire(ticket({ group: 'busy' }))
    waiting.catch(() => undefined)
    scheduler.admit('idle')
    expect((await scheduler.acquire(ticket({ group: 'idle' }))).backend.id).toBe('b')
    expect(await codeOf(scheduler.acquire(ticket({ group: 'idle' })))).toBe('queue_full')
    expect(scheduler.queueDepth).toBe(1)
  })

  it('refuses everything that would have to wait when there is no queue', async () => {
    const { scheduler } = setUp([makeBackend()], { queueMax: 0 })
    await scheduler.acquire(ticket())
    expect(await codeOf(scheduler.acquire(ticket()))).toBe('queue_full')
  })

  it('learns from the requests that were served, and from no others, when one may come again', async () => {
    const { scheduler, clock } = setUp([makeBackend()], { queueMax: 1 })
    const waitSecondsAfter = async (end?: 'served'): Promise<number> => {
      const lease = await scheduler.acquire(ticket())
      await clock.advance(3_600_000)
      lease.release(end)
      const busy = await scheduler.acquire(ticket())
      const departure = new Departure()
      const waiting = codeOf(scheduler.acquire(ticket({ departure })))
      const seconds = scheduler.retryAfterSeconds()
      departure.announce()
      await waiting
      busy.release()
      return seconds
    }
    expect(await waitSecondsAfter()).toBe(1)
    expect(await waitSecondsAfter('served')).toBe(60)
  })

  it('times out in the queue, and leaves no timer behind', async () => {
    const { scheduler, clock } = setUp([makeBackend()])
    const lease = await scheduler.acquire(ticket())
    const waiting = codeOf(scheduler.acquire(ticket({ patienceMs: 500 })))
    await clock.advance(499)
    expect(scheduler.queueDepth).toBe(1)
    await clock.advance(1)
    expect(await waiting).toBe('queue_timeout')
    expect(scheduler.queueDepth).toBe(0)
    lease.release()
    expect(clock.pending).toBe(0)
  })

  it('forgets a request whose client went away in the queue', async () => {
    const { scheduler, clock } = setUp([makeBackend()])
    const lease = await scheduler.acquire(ticket())
    const departure = new Departure()
    const gone = codeOf(scheduler.acquire(ticket({ departure })))
    const next = scheduler.acquire(ticket())
    departure.announce()
    expect(await gone).toBe('client_closed')
    lease.release()
    expect((await next).backend.id).toBe('a')
    expect(clock.pending).toBe(0)
    expect(await codeOf(scheduler.acquire(ticket({ departure })))).toBe('client_closed')
  })

  it('puts a replay before all others, even when the queue is full', async () => {
    const { scheduler } = setUp([makeBackend()], { queueMax: 1 })
    const order: string[] = []
    const lease = await scheduler.acquire(ticket())
    void collect(scheduler.acquire(ticket()), 'new', order)
    const replay = collect(scheduler.acquire(ticket({ replay: true })), 'replay', order)
    lease.release()
    ;(await replay).release()
    await settle()
    expect(order).toEqual(['replay', 'new'])
  })

  it('does not count those that were declined among the replays that run', async () => {
    const { scheduler } = setUp([makeBackend({ slots: 10 })])
    const declined = Array.from({ length: 9 }, () =>
      scheduler.acquireNow(ticket({ replay: true, declined: true })),
    )
    expect(declined.every((lease) => lease !== undefined)).toBe(true)
    expect(scheduler.acquireNow(ticket({ replay: true }))).toBeDefined()
  })

  it('runs only so many replays at once; the others wait and new requests pass', async () => {
    const { scheduler } = setUp([makeBackend({ slots: 10 })])
    const replays = await Promise.all([1, 2, 3].map(() => scheduler.acquire(ticket({ replay: true }))))
    const order: string[] = []
    const fourth = collect(scheduler.acquire(ticket({ replay: true })), 'replay', order)
    const fresh = collect(scheduler.acquire(ticket()), 'new', order)
    await fresh
    expect(order).toEqual(['new'])
    replays[0]?.release()
    await fourth
    expect(order).toEqual(['new', 'replay'])
  })

  it('waits for a replaced instance for a while, and refuses at once when none has been there for long', async () => {
    const backend = makeBackend()
    const { scheduler, clock } = setUp([backend])
    // Also when nobody asked for anything in the last minute before.
    await clock.advance(60_000)
    backend.state = 'ejected'
    scheduler.setBackends([backend])
    await clock.advance(10_000)
    expect(() => scheduler.admit(undefined)).not.toThrow()
    const waiting = codeOf(scheduler.acquire(ticket({ patienceMs: 6_000 })))
    await clock.advance(6_000)
    expect(await waiting).toBe('no_instance_ready')
    expect(() => scheduler.admit(undefined)).toThrow(
      expect.objectContaining({ code: 'no_instance_ready' }) as Error,
    )
  })

  it('refuses at once for a group that has had no instance for long while another serves', async () => {
    const [gone, other] = [
      makeBackend({ group: 'gone', models: ['tiny'] }),
      makeBackend({ id: 'b', group: 'other' }),
    ]
    const { scheduler, clock } = setUp([gone, other])
    await clock.advance(60_000)
    scheduler.setBackends([other])
    await clock.advance(10_000)
    for (const group of ['gone', 'tiny', undefined]) expect(() => scheduler.admit(group)).not.toThrow()
    await clock.advance(6_000)
    for (const group of ['gone', 'tiny'])
      expect(() => scheduler.admit(group)).toThrow(
        expect.objectContaining({ code: 'no_instance_ready' }) as Error,
      )
    expect(() => scheduler.admit('other')).not.toThrow()
  })

  it('waits as long for the first ones of a balancer that takes over while they are away', async () => {
    const backend = makeBackend()
    backend.state = 'ejected'
    const { scheduler, clock } = setUp([backend])
    await clock.advance(10_000)
    expect(() => scheduler.admit(undefined)).not.toThrow()
    await clock.advance(6_000)
    expect(() => scheduler.admit(undefined)).toThrow(
      expect.objectContaining({ code: 'no_instance_ready' }) as Error,
    )
    // Where there never was one, there is nothing to wait for.
    expect(() => setUp([]).scheduler.admit(undefined)).toThrow(
      expect.objectContaining({ code: 'no_instance_ready' }) as Error,
    )
  })

  it('queues while the members are not known yet', async () => {
    const { scheduler } = setUp([])
    scheduler.membersKnown = false
    scheduler.admit(undefined)
    const waiting = scheduler.acquire(ticket())
    scheduler.membersKnown = true
    scheduler.setBackends([makeBackend()])
    expect((await waiting).backend.id).toBe('a')
  })

  it('gives what takes no slot to each serving instance in turn', () => {
    const full = makeBackend({ id: 'a' })
    full.takeSlot()
    const { scheduler } = setUp([full, makeBackend({ id: 'b' })])
    expect([1, 2, 3, 4].map(() => scheduler.next(new Map()).backend.id)).toEqual(['a', 'b', 'a', 'b'])
    expect(scheduler.next(new Map([['a', 0]])).backend.id).toBe('b')
  })
})
