// A cluster under an even load for a long time, and what grows: node bench/faults/soak.mjs [--minutes 60] [--load 0.7]
// Samples resident memory, file descriptors and p99 latency; prints the slopes after a third of the time (warm-up).
import { parseArgs } from 'node:util'
import { openFiles, residentBytes } from '../balancer/lib/cpu.mjs'
import { quantile } from '../balancer/lib/load.mjs'
import { LabCluster } from './lib/cluster.mjs'
import { openLoop } from './lib/load.mjs'
import { cleanUp, sleep } from './lib/processes.mjs'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    load: { type: 'string', default: '0.7' },
    'service-ms': { type: 'string', default: '200' },
    instances: { type: 'string', default: '4' },
    // Real instances with the demo model besides, and the part of the requests that goes to them.
    demo: { type: 'string', default: '2' },
    'demo-share': { type: 'string', default: '0.05' },
    seed: { type: 'string', default: '1' },
    'sample-s': { type: 'string', default: '5' },
  },
})
process.env.FAULTS_SERVICE_MS = values['service-ms']
const seconds = Number(values.minutes) * 60
const slots = Number(values.instances) * 4
const demoShare = Number(values.demo) > 0 ? Number(values['demo-share']) : 0
const rate = (Number(values.load) * slots * 1_000) / Number(values['service-ms']) / (1 - demoShare)

const cluster = new LabCluster({
  host: '127.0.0.1',
  instances: Number(values.instances),
  demo: Number(values.demo),
})
// The clock stays as it is, and a library that could move it has no place in these processes.
cluster.faketime = undefined

await cluster.start()
const { balancer, instances } = await cluster.status()
const pids = { supervisor: cluster.supervisor.pid, balancer: balancer.pid }
for (const { id, pid } of instances) pids[id] = pid

const samples = []
let isOver = false
async function sample() {
  const startedAt = performance.now()
  while (!isOver) {
    await sleep(Number(values['sample-s']) * 1_000)
    const hours = (performance.now() - startedAt) / 3_600_000
    const of = ([name, pid]) => [name, { rss: residentBytes(pid) / 1e6, fd: openFiles(pid) }]
    samples.push({ hours, of: Object.fromEntries(Object.entries(pids).map(of)) })
    if (samples.length % 12 === 0) console.error(progress(samples.at(-1)))
  }
}

const progress = ({ hours, of }) =>
  `${(hours * 60).toFixed(1)} min: ${Object.entries(of)
    .map(([name, { rss, fd }]) => `${name} ${rss.toFixed(1)} MB ${fd}`)
    .join(', ')}`

/** Least squares: units per hour. */
function slope(points) {
  const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length
  const [x, y] = [mean(points.map((point) => point[0])), mean(points.map((point) => point[1]))]
  const over = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0)
  return over / points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0)
}

const url = `http://127.0.0.1:${cluster.port}`
const options = {
  url,
  key: cluster.key,
  seed: Number(values.seed),
  demoShare,
  demoText: 'Welcome to the cluster.',
}
const begunAt = Date.now()
const sampling = sample()
const records = await openLoop({ ...options, requests: Math.round(seconds * rate), rate, prefix: 'soak' })
isOver = true
await sampling
const left = await cluster.stop()

const right = records.filter(({ outcome, breaks }) => outcome === 'right' && breaks.length === 0).length
const warm = samples.slice(Math.floor(samples.length / 3))
console.log(
  `${records.length} requests in ${values.minutes} min at a load of ${values.load} (${rate.toFixed(0)}/s), right ${right}, left processes ${left.length}`,
)
const others = new Map()
for (const { outcome, breaks, code, detail = '' } of records) {
  if (outcome === 'right' && breaks.length === 0) continue
  const name = `${code ?? outcome} ${/"code":"(\w+)"/.exec(String(detail))?.[1] ?? breaks[0]?.code ?? ''}`
  others.set(name, (others.get(name) ?? 0) + 1)
}
for (const [name, count] of others) console.log(`not right: ${count} × ${name}`)
console.log('| process | memory, MB: after a third, end | slope, MB/h | file descriptors | slope, 1/h |')
console.log('| - | - | - | - | - |')
for (const name of Object.keys(pids)) {
  const first = warm[0].of[name]
  const last = warm.at(-1).of[name]
  const slopes = ['rss', 'fd'].map((what) =>
    slope(warm.map((each) => [each.hours, each.of[name][what]])).toFixed(1),
  )
  const cells = [
    name,
    `${first.rss.toFixed(0)}, ${last.rss.toFixed(0)}`,
    slopes[0],
    `${first.fd}, ${last.fd}`,
    slopes[1],
  ]
  console.log(`| ${cells.join(' | ')} |`)
}
const parts = [0, 1, 2].map((part) => {
  const third = records.filter(({ at }) => Math.floor(((at - begunAt) / 1_000 / seconds) * 3) === part)
  const latencies = third.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b)
  return quantile(latencies, 0.99).toFixed(0)
})
console.log(`p99 latency ms in each third: ${parts.join(', ')}`)
cleanUp()
process.exit(right === records.length && left.length === 0 ? 0 : 1)
