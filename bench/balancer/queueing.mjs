// Who waits behind a long file? Recordings of mixed lengths arrive at random (Poisson) before four instances that work on
// one at a time; each proxy has instances of its own and gets the same arrivals at the same moments, so that they can run
// side by side. The wait is the latency less the service time.
// node bench/balancer/queueing.mjs [--seconds 50] [--seed 1]
import { parseArgs } from 'node:util'
import { Pool } from 'undici'
import { quantile } from './lib/load.mjs'
import { sleep } from './lib/processes.mjs'
import { startProxy, startWorkers } from './lib/proxies.mjs'
import { seededRandom } from './lib/random.mjs'

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '50' }, seed: { type: 'string', default: '1' } },
})
const seconds = Number(values.seconds)
const names = ['asr-balancer', 'nginx', 'haproxy leastconn']
const instances = 4

/** A twentieth of what 6 s, 4 min and 45 min of speech take at 50 times real time: share and service time in ms. */
const mixed = [
  [0.8, 8.5],
  [0.18, 242],
  [0.02, 2_700],
]
const equal = [[1, 104]]

function arrivals(mix, load) {
  const random = seededRandom(Number(values.seed))
  const meanMs = mix.reduce((sum, [share, ms]) => sum + share * ms, 0)
  const jobs = []
  for (let atMs = 0; atMs < seconds * 1_000;) {
    atMs += (-Math.log(1 - random()) * meanMs) / (instances * load)
    const draw = random()
    let below = 0
    const serviceMs = mix.find(([share]) => draw < (below += share))?.[1] ?? mix.at(-1)[1]
    jobs.push({ atMs, serviceMs })
  }
  return jobs
}

async function measure([label, mix, load]) {
  const jobs = arrivals(mix, load)
  const runs = await Promise.all(names.map((name) => run(name, jobs)))
  const rows = runs.map(({ waits, failed }, index) => ({
    name: names[index],
    mean: waits.reduce((sum, wait) => sum + wait, 0) / waits.length,
    p50: quantile(waits, 0.5),
    p95: quantile(waits, 0.95),
    p99: quantile(waits, 0.99),
    failed,
  }))
  return { label: `${label}, load ${load}`, requests: jobs.length, rows }
}

function report({ label, requests, rows }) {
  const figures = ['mean', 'p50', 'p95', 'p99']
  console.log(`\n${label}, ${requests} requests: wait in ms`)
  console.log('proxy'.padEnd(18) + [...figures, 'failed'].map((head) => head.padStart(9)).join(''))
  for (const row of rows) {
    const cells = [...figures.map((key) => row[key].toFixed(1)), String(row.failed)]
    console.log(row.name.padEnd(18) + cells.map((cell) => cell.padStart(9)).join(''))
  }
  const [ours, nginx] = rows
  console.log(
    `ours to nginx: mean ${(ours.mean / nginx.mean).toFixed(2)}, p95 ${(ours.p95 / nginx.p95).toFixed(2)}`,
  )
}

async function run(name, jobs) {
  const members = await startWorkers([3, 3, 2, 2], 1)
  const proxy = await startProxy(name, members)
  const pool = new Pool(`http://127.0.0.1:${proxy.port}`, { connections: 512, pipelining: 1 })
  await sleep(800)
  const body = Buffer.alloc(20_000)
  const waits = []
  let failed = 0
  const startedAt = performance.now()
  const send = async ({ serviceMs }) => {
    const sentAt = performance.now()
    const headers = { 'x-service-ms': String(serviceMs), 'x-no-hash': '1' }
    const answer = await pool.request({ path: '/asr', method: 'POST', body, headers })
    await answer.body.dump()
    if (answer.statusCode === 200) waits.push(Math.max(0, performance.now() - sentAt - serviceMs))
    else failed += 1
  }
  await Promise.all(
    jobs.map(async (job) => {
      await sleep(Math.max(0, startedAt + job.atMs - performance.now()))
      await send(job).catch(() => (failed += 1))
    }),
  )
  await pool.close()
  for (const child of [proxy.child, ...members.map((member) => member.child)]) child.kill('SIGKILL')
  waits.sort((a, b) => a - b)
  return { waits, failed }
}

// All at the same time: the instances only sleep.
const cases = [
  ['mixed lengths', mixed, 0.5],
  ['mixed lengths', mixed, 0.7],
  ['mixed lengths', mixed, 0.85],
  ['equal lengths', equal, 0.7],
]
for (const measured of await Promise.all(cases.map(measure))) report(measured)
process.exit(0)
