// Loses nothing? Many clients send unique bodies while instances are killed, stopped, drained and re-weighted and the
// balancer is replaced on its socket, all at random. Every answer must be the hash of exactly the body that was sent.
// node bench/balancer/chaos.mjs [--requests 10000] [--seed 1] [--max-body 5000000] [--limit-s 180]
import { createHash, randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { Agent, request } from 'undici'
import { balancerBin, bindSocket, freePort, pathOf, sleep, start } from './lib/processes.mjs'
import { seededRandom } from './lib/random.mjs'

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '10000' },
    instances: { type: 'string', default: '4' },
    slots: { type: 'string', default: '4' },
    clients: { type: 'string', default: '32' },
    seed: { type: 'string', default: '1' },
    'max-body': { type: 'string', default: '5000000' },
    'limit-s': { type: 'string', default: '180' },
    verbose: { type: 'boolean', default: false },
  },
})
const total = Number(values.requests)
const random = seededRandom(Number(values.seed))
const pick = (list) => list[Math.floor(random() * list.length)]
const note = (text) => values.verbose && console.log(`${(performance.now() / 1_000).toFixed(1)} s  ${text}`)

const executions = new Map()
const counts = { kill: 0, stop: 0, drain: 0, weight: 0, 'hot restart': 0 }

class Instance {
  constructor(id, slots) {
    Object.assign(this, { id, slots, weight: 1, draining: false, busy: false })
  }

  async start() {
    this.port ??= await freePort()
    this.identity = randomUUID()
    const env = { ...process.env, ASR_INSTANCE_IDENTITY: this.identity }
    this.child = start(process.execPath, [pathOf('worker.mjs'), this.port, this.id, this.slots, '4'], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env,
    })
    this.child.on('message', ({ executed }) => executions.set(executed, (executions.get(executed) ?? 0) + 1))
    this.up = true
  }

  member() {
    const { id, weight, slots, draining, identity } = this
    return {
      id,
      group: 'g',
      models: [],
      url: `http://127.0.0.1:${this.port}`,
      weight,
      slots,
      draining,
      identity,
      native: true,
    }
  }
}

const instances = Array.from(
  { length: Number(values.instances) },
  (_, index) => new Instance(`i${index}`, Number(values.slots)),
)
const socket = bindSocket()
/** The newest last; the one that hands over goes on being told, since it has requests to finish. */
let balancers = []

function tellMembers() {
  const members = instances.filter((instance) => instance.up).map((instance) => instance.member())
  for (const balancer of balancers) if (balancer.connected) balancer.send({ type: 'members', members })
}

async function startBalancer() {
  const config = { health: { interval: '500ms', timeout: '500ms' }, queue: { timeout: '60s' } }
  const args = [
    balancerBin,
    '--listen-fd',
    '3',
    '--log-level',
    values.verbose ? 'info' : 'error',
    '--config-json',
    JSON.stringify(config),
  ]
  const child = start(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', socket.fd, 'ipc'] })
  await new Promise((resolve) => child.on('message', (message) => message.type === 'listening' && resolve()))
  return child
}

const events = {
  async kill(instance) {
    instance.child.kill('SIGKILL')
    await sleep(20)
    instance.up = false
    tellMembers()
    await instance.child.exited
    await sleep(300)
    await instance.start()
    await sleep(150)
    tellMembers()
  },
  /** A hang: the balancer has to find it; a supervisor would kill it in the end. */
  async stop(instance) {
    instance.child.kill('SIGSTOP')
    await sleep(2_500)
    if (random() < 0.5) instance.child.kill('SIGCONT')
    else await events.kill(instance)
  },
  async drain(instance) {
    instance.draining = true
    tellMembers()
    await sleep(700)
    instance.draining = false
    tellMembers()
  },
  async weight(instance) {
    instance.weight = 1 + Math.floor(random() * 5)
    tellMembers()
  },
  async 'hot restart'() {
    const old = balancers.at(-1)
    balancers.push(await startBalancer())
    tellMembers()
    const drained = new Promise((resolve) =>
      old.on('message', (message) => message.type === 'drained' && resolve()),
    )
    old.send({ type: 'shutdown', handOver: true })
    await drained
    balancers = balancers.filter((each) => each !== old)
    old.kill('SIGTERM')
    await old.exited
  },
}

/** One event after the other, several at once, never on an instance that another one is at. */
async function chaos(stopped) {
  let restarting = false
  while (!stopped()) {
    await sleep(250)
    const name = pick(['kill', 'kill', 'stop', 'drain', 'weight', 'hot restart'])
    if (name === 'hot restart') {
      if (restarting) continue
      restarting = true
      void events[name]().then(() => (restarting = false))
    } else {
      const free = instances.filter((instance) => !instance.busy)
      // Somebody has to be left, or nothing but time would be tested.
      if (free.length < 2) continue
      const instance = pick(free)
      instance.busy = true
      void events[name](instance).finally(() => (instance.busy = false))
    }
    note(name)
    counts[name] += 1
  }
}

const noise = Buffer.from(Array.from({ length: 1 << 16 }, () => Math.floor(random() * 256)))
const filler = Buffer.concat(
  Array.from({ length: Math.ceil((2 * Number(values['max-body'])) / noise.length) }, () => noise),
)

/** Sizes spread evenly over the orders of magnitude from 100 bytes on. */
function makeBody(number) {
  const size = Math.floor(100 * (Number(values['max-body']) / 100) ** random())
  const body = Buffer.from(filler.subarray(number % 60_000, (number % 60_000) + size))
  body.write(`${number}:${randomUUID()}`)
  return body
}

const wrong = []
let sent = 0
let bytes = 0
let answered = 0
const latencies = []

async function client(dispatcher) {
  while (sent < total) {
    const number = sent++
    const body = makeBody(number)
    bytes += body.length
    const id = `request-${number}`
    const startedAt = performance.now()
    try {
      const answer = await request(`http://127.0.0.1:${socket.port}/asr`, {
        method: 'POST',
        body,
        headers: { 'x-request-id': id },
        dispatcher,
      })
      const text = await answer.body.text()
      const expected = createHash('sha256').update(body).digest('hex')
      if (answer.statusCode !== 200) wrong.push(`${id}: ${answer.statusCode} ${text}`)
      else if (JSON.parse(text).sha256 !== expected || answer.headers['x-request-id'] !== id)
        wrong.push(`${id}: another's answer`)
      else answered += 1
    } catch (error) {
      wrong.push(`${id}: ${error.code ?? error.message}`)
    }
    latencies.push(performance.now() - startedAt)
  }
}

const limit = setTimeout(
  () => {
    console.error(`not done after ${values['limit-s']} s: ${answered} of ${total} answered`)
    process.exit(1)
  },
  Number(values['limit-s']) * 1_000,
)

await Promise.all(instances.map((instance) => instance.start()))
await sleep(300)
balancers.push(await startBalancer())
tellMembers()
const startedAt = performance.now()
let done = false
const disorder = chaos(() => done)
const dispatcher = new Agent({ connections: Number(values.clients), headersTimeout: 120_000 })
await Promise.all(Array.from({ length: Number(values.clients) }, () => client(dispatcher)))
const seconds = (performance.now() - startedAt) / 1_000
done = true
await disorder
clearTimeout(limit)

latencies.sort((a, b) => a - b)
const twice = [...executions.values()].filter((count) => count > 1).length
console.log(
  `${total} requests, ${(bytes / 1e9).toFixed(2)} GB, ${values.clients} clients, seed ${values.seed}: ${seconds.toFixed(1)} s`,
)
console.log(
  `while it ran: ${Object.entries(counts)
    .map(([name, count]) => `${count} × ${name}`)
    .join(', ')}`,
)
console.log(`right answers: ${answered}; lost or wrong: ${wrong.length}`)
console.log(
  `executed more than once by instances: ${twice} (replayed after a stop, or after the answer was lost with its process)`,
)
console.log(
  `latency ms: p50 ${latencies[total >> 1].toFixed(1)}, p99 ${latencies[Math.floor(total * 0.99)].toFixed(0)}, max ${latencies.at(-1).toFixed(0)}`,
)
for (const line of wrong.slice(0, 20)) console.log(`  ${line}`)
process.exit(wrong.length === 0 ? 0 : 1)
