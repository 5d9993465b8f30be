// What each process of a cluster keeps for good: live memory after forced collections, while probes come some twenty times
// as often as usual and requests as they come: node bench/faults/growth.mjs [--minutes 3] [--rate 100]
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { LabCluster } from './lib/cluster.mjs'
import { openLoop } from './lib/load.mjs'
import { cleanUp, kill, sleep, waitUntil } from './lib/processes.mjs'
import { theilSen } from './lib/trend.mjs'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    rate: { type: 'string', default: '100' },
    'demo-share': { type: 'string', default: '0.05' },
    'probe-ms': { type: 'string', default: '25' },
    'sample-s': { type: 'string', default: '5' },
    verbose: { type: 'boolean', default: false },
  },
})
const seconds = Number(values.minutes) * 60
const rate = Number(values.rate)
process.env.NODE_OPTIONS = `--require=${fileURLToPath(new URL('lib/heap-report.cjs', import.meta.url))}`
const cluster = new LabCluster({
  host: '127.0.0.1',
  instances: 4,
  demo: 2,
  probeMs: Number(values['probe-ms']),
})
cluster.faketime = undefined
process.env.HEAP_REPORTS = join(cluster.dir, 'heap')
mkdirSync(process.env.HEAP_REPORTS)
await cluster.start()
const { balancer, instances } = await cluster.status()
const pids = { supervisor: cluster.supervisor.pid, balancer: balancer.pid }
for (const { id, pid } of instances) pids[id] = pid

const reportsOf = (pid) => {
  const file = join(process.env.HEAP_REPORTS, String(pid))
  return existsSync(file)
    ? readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
    : []
}
const samples = []
let isOver = false
async function sample() {
  const startedAt = performance.now()
  for (let count = 1; !isOver; count += 1) {
    for (const pid of Object.values(pids)) kill(pid, 'SIGWINCH')
    const isThere = () => Object.values(pids).every((pid) => reportsOf(pid).length >= count)
    await waitUntil(isThere, 'reports of all processes')
    const of = {}
    for (const [name, pid] of Object.entries(pids)) {
      const { heapUsed, external, rss } = reportsOf(pid).at(-1)
      of[name] = { live: heapUsed + external, rss }
    }
    samples.push({ at: (performance.now() - startedAt) / 1_000, of })
    if (values.verbose)
      console.error(
        Object.keys(of)
          .map((name) => `${name} ${(of[name].live / 1e6).toFixed(2)}`)
          .join('  '),
      )
    await sleep(Number(values['sample-s']) * 1_000)
  }
}

const url = `http://127.0.0.1:${cluster.port}`
const demoShare = Number(values['demo-share'])
const load = { url, key: cluster.key, seed: 1, demoShare, demoText: 'Welcome to the cluster.', rate }
const sampling = sample()
const records = await openLoop({ ...load, requests: Math.round(rate * seconds), prefix: 'growth' })
isOver = true
await sampling
await cluster.stop()

const right = records.filter(({ outcome }) => outcome === 'right').length
console.log(
  `${records.length} requests at ${rate}/s, right ${right}; a probe of each every ${values['probe-ms']} ms`,
)
console.log(
  '| process | live memory, MB: after a third, end | bytes per second, and 95 % of chance | resident, MB |',
)
console.log('| - | - | - | - |')
const warm = samples.slice(Math.floor(samples.length / 3))
for (const name of Object.keys(pids)) {
  const { slope, low, high } = theilSen(warm.map(({ at, of }) => [at, of[name].live]))
  const mb = (each, what) => (each.of[name][what] / 1e6).toFixed(2)
  const cells = [
    name,
    `${mb(warm[0], 'live')}, ${mb(warm.at(-1), 'live')}`,
    `${slope.toFixed(0)} (${low.toFixed(0)} to ${high.toFixed(0)})`,
    `${mb(warm[0], 'rss')}, ${mb(warm.at(-1), 'rss')}`,
  ]
  console.log(`| ${cells.join(' | ')} |`)
}
cleanUp()
process.exit(right === records.length ? 0 : 1)
