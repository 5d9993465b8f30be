import { describe, expect, it } from 'vitest'
import type { Backend } from '../backend/backend.js'
import { Departure } from '../departure.js'
import { FakeClock, settle } from '../fixtures/fake-clock.js'
import { makeBackend } from '../fixtures/member.js'
import { seededRandom } from '../fixtures/random.js'
import { policies } from '../policy/index.js'
import { Scheduler, type Lease } from './scheduler.js'

const queueMax = 20

/** A scheduler under random operations, and a plain account of what has to be true of it. */
class World {
  readonly random: () => number
  readonly clock = new FakeClock()
  readonly backends: Backend[]
  readonly scheduler: Scheduler
  readonly live = new Set<Lease>()
  readonly waiting = new Map<number, { client: string; departure: Departure }>()
  readonly granted = new Map<string, number[]>()
  readonly outcomes = { granted: 0, refused: 0 }
  #next = 0

  constructor(seed: number) {
    this.random = seededRandom(seed)
    const names = Object.keys(policies) as (keyof typeof policies)[]
    this.backends = ['a', 'b', 'c'].map((id) =>
      makeBackend({ id, slots: this.#below(4) + 1, weight: this.#below(5) + 1 }),
    )
    this.scheduler = new Scheduler({
      policy: policies[names[seed % names.length] as keyof typeof policies],
      queueMax,
      retryBudget: 0.2,
      clock: this.clock,
      random: this.random,
    })
    this.scheduler.membersKnown = true
    this.scheduler.setBackends(this.backends)
  }

  async step(): Promise<void> {
    const operation = this.random()
    if (operation < 0.45) this.#acquire()
    else if (operation < 0.75) this.#release()
    else if (operation < 0.82) this.#abort()
    else if (operation < 0.95) this.#changeBackend()
    else await this.clock.advance(this.#below(400))
    await settle()
    this.check()
  }

  check(): void {
    const { scheduler, backends, live, waiting } = this
    expect(scheduler.inFlight).toBe(live.size)
    expect(scheduler.queueDepth).toBe(waiting.size)
    expect(scheduler.queueDepth).toBeLessThanOrEqual(queueMax + this.#replays())
    for (const backend of backends) {
      expect(backend.inFlight).toBe([...live].filter((lease) => lease.backend === backend).length)
    }
    // Nobody waits while somebody could serve it, but for replays, which have a budget.
    const room = backends.some((backend) => backend.hasRoom(this.clock.nowMs()))
    if (room) expect(waiting.size).toBeLessThanOrEqual(this.#replays())
  }

  /** Ends everything that is left. */
  async finish(): Promise<void> {
    for (const backend of this.backends) backend.state = 'up'
    this.scheduler.pump()
    while (this.live.size > 0 || this.waiting.size > 0) {
      for (const lease of this.live) this.#end(lease)
      await settle()
    }
    this.check()
    expect(this.clock.pending).toBe(0)
  }

  #acquire(): void {
    const number = this.#next++
    const client = `client ${this.#below(4)}`
    const replay = this.random() < 0.1
    const departure = new Departure()
    const avoid = new Map(replay ? [[this.#pickBackend().id, this.#below(2)]] : [])
    this.waiting.set(number, { client: replay ? 'replay' : client, departure })
    const ticket = {
      client,
      group: undefined,
      avoid,
      replay,
      departure,
      patienceMs: this.#below(1_000),
    }
    this.scheduler.acquire(ticket).then(
      (lease) => {
        this.waiting.delete(number)
        this.live.add(lease)
        this.outcomes.granted += 1
        expect(lease.backend.inFlight).toBeLessThanOrEqual(lease.backend.member.slots)
        if (replay) return
        const before = this.granted.get(client) ?? []
        this.granted.set(client, [...before, number])
      },
      () => {
        this.waiting.delete(number)
        this.outcomes.refused += 1
      },
    )
  }

  #release(): void {
    const lease = [...this.live][this.#below(this.live.size)]
    if (lease) this.#end(lease)
  }

  #end(lease: Lease): void {
    this.live.delete(lease)
    // The guard has to bear any number of ends of one request.
    for (let times = this.#below(3); times >= 0; times -= 1) lease.release()
  }

  #abort(): void {
    const entry = [...this.waiting.values()][this.#below(this.waiting.size)]
    entry?.departure.announce()
  }

  #changeBackend(): void {
    const backend = this.#pickBackend()
    const kind = this.#below(4)
    if (kind === 0) backend.state = backend.state === 'up' ? 'ejected' : 'up'
    else if (kind === 1) backend.member.draining = !backend.member.draining
    else if (kind === 2) backend.member.slots = this.#below(5) + 1
    else backend.life += 1
    this.scheduler.pump()
  }

  #replays(): number {
    return [...this.waiting.values()].filter((entry) => entry.client === 'replay').length
  }

  #pickBackend(): Backend {
    return this.backends[this.#below(this.backends.length)] as Backend
  }

  #below(bound: number): number {
    return Math.floor(this.random() * bound)
  }
}

describe('Scheduler under random operations', () => {
  it.each(Array.from({ length: 12 }, (_, seed) => seed))(
    'keeps its accounts and its order, seed %i',
    async (seed) => {
      const world = new World(seed)
      for (let step = 0; step < 500; step += 1) await world.step()
      for (const backend of world.backends) backend.member.draining = false
      await world.finish()
      for (const numbers of world.granted.values())
        expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
      expect(world.outcomes.granted).toBeGreaterThan(50)
      expect(world.outcomes.refused).toBeGreaterThan(0)
    },
  )
})
