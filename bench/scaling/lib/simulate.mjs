import { Backend } from '../../../packages/balancer/dist/backend/backend.js'
import { Departure } from '../../../packages/balancer/dist/departure.js'
import { judgeReplay } from '../../../packages/balancer/dist/exchange/verdict.js'
import { policies } from '../../../packages/balancer/dist/policy/index.js'
import { Scheduler } from '../../../packages/balancer/dist/queue/scheduler.js'
import { SlotPool } from '../../../packages/asr-instance/dist/http/slot-pool.js'
import { seededRandom } from '../../balancer/lib/random.mjs'
import { EventClock } from './event-clock.mjs'

/** As `fullPauseMs` of the balancer's proxy: after a 429 an instance gets nothing for so long. */
const fullPauseMs = 50

/** Works on `slots` requests at once; has the rest wait in a line of its own, as a foreign server does. */
class ForeignInstance {
  #running = 0
  #line = []

  constructor(clock, slots) {
    this.clock = clock
    this.slots = slots
  }

  send(serviceMs, answer) {
    if (this.#running < this.slots) this.#start(serviceMs, answer)
    else this.#line.push([serviceMs, answer])
  }

  #start(serviceMs, answer) {
    this.#running += 1
    this.clock.after(serviceMs, () => {
      this.#running -= 1
      const next = this.#line.shift()
      if (next) this.#start(...next)
      answer(true)
    })
  }
}

/** With the slots of the real one: one too many waits for a moment, and is refused then. */
class OwnInstance {
  #stay = new AbortController().signal

  constructor(clock, slots, graceMs) {
    this.clock = clock
    const timer = { set: (run, delayMs) => clock.after(delayMs, run), clear: (cancel) => cancel() }
    this.pool = new SlotPool({ graceMs, timer })
    this.pool.capacity = slots
  }

  send(serviceMs, answer) {
    this.pool.acquire(this.#stay).then(
      (release) =>
        this.clock.after(serviceMs, () => {
          release()
          answer(true)
        }),
      () => answer(false),
    )
  }
}

/**
 * `balancers` that know nothing of each other, each with the real scheduler, policy and replay verdict, over the same
 * instances. Requests come at random (Poisson), each to a balancer at random. Returns the waits in ms (latency less service
 * and network), how many sends were refused with 429, and how many requests failed.
 */
export async function simulate(options) {
  const {
    balancers,
    instances,
    slots,
    load,
    meanServiceMs,
    mix,
    requests,
    refuses,
    policy,
    networkMs,
    graceMs,
    seed,
  } = options
  const clock = new EventClock()
  const random = seededRandom(seed)
  const servers = Array.from({ length: instances }, () =>
    refuses ? new OwnInstance(clock, slots, graceMs) : new ForeignInstance(clock, slots),
  )
  const schedulers = Array.from({ length: balancers }, () => {
    const scheduler = new Scheduler({
      policy: policies[policy],
      queueMax: 100_000,
      retryBudget: 0.2,
      clock,
      random,
    })
    scheduler.membersKnown = true
    scheduler.setBackends(servers.map((_, index) => backendOf(index, slots)))
    return scheduler
  })
  const perSecond = (load * instances * slots * 1_000) / meanServiceMs
  const waits = []
  let refused = 0
  let failed = 0
  let waiting = 0

  const drawServiceMs = () => {
    let draw = random()
    const [, factor] = mix.find(([share]) => (draw -= share) < 0) ?? mix.at(-1)
    return factor * meanServiceMs
  }

  async function request(measured) {
    const scheduler = schedulers[Math.floor(random() * balancers)]
    const serviceMs = drawServiceMs()
    const startedAtMs = clock.nowMs()
    const departure = new Departure()
    const records = []
    for (;;) {
      const declined = records.length > 0
      const ticket = {
        client: String(Math.floor(random() * 1_000)),
        group: undefined,
        avoid: new Map(),
        replay: declined,
        declined,
        departure,
        patienceMs: 600_000,
      }
      const lease = await scheduler.acquire(ticket)
      const answered = await send(lease.backend, serviceMs)
      if (answered) {
        lease.release()
        if (!measured) return
        const wait = clock.nowMs() - startedAtMs - serviceMs - 2 * networkMs
        waits.push(wait)
        if (wait > 1) waiting += 1
        return
      }
      if (measured) refused += 1
      lease.backend.fullUntilMs = clock.nowMs() + fullPauseMs
      clock.after(fullPauseMs + 1, () => scheduler.pump())
      lease.release()
      records.push({ kind: 'declined', instanceGone: false, sharedBy: 1, reused: false })
      if (judgeReplay(records, { attempts: 2, otherDeaths: 0 }) !== 'replay') {
        if (measured) failed += 1
        return
      }
    }
  }

  function send(backend, serviceMs) {
    return new Promise((resolve) => {
      clock.after(networkMs, () => {
        const answer = (isDone) => clock.after(networkMs, () => resolve(isDone))
        servers[Number(backend.id)].send(serviceMs, answer)
      })
    })
  }

  // The first tenth only fills the instances.
  let sent = 0
  const arrive = () => {
    if (sent >= requests * 1.1) return
    sent += 1
    void request(sent > requests * 0.1)
    clock.after((-Math.log(1 - random()) / perSecond) * 1_000, arrive)
  }
  arrive()
  await clock.run()
  return { perSecond, waits: waits.sort((a, b) => a - b), refused, failed, waiting }
}

function backendOf(index, slots) {
  const member = {
    id: String(index),
    group: 'default',
    models: [],
    url: `http://10.0.0.1:${index}`,
    weight: 1,
    slots,
    draining: false,
    native: true,
  }
  const backend = new Backend(member, undefined)
  backend.state = 'up'
  return backend
}
