// What each process of a cluster keeps for good: live memory after forced collections in the pauses between rounds of
// requests, while probes come some twenty times as often as usual:
// node bench/faults/growth.mjs [--rounds 8] [--requests 4000] [--rate 150] [--demo-share 0.1]
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
    rounds: { type: 'string', default: '8' },
    requests: { type: 'string', default: '4000' },
    rate: { type: 'string', default: '150' },
    'demo-share': { type: 'string', default: '0.1' },
    'probe-ms': { type: 'string', default: '25' },
    // Longer than the balancer and the clients keep idle connections.
    'pause-s': { type: 'string', default: '5' },
    verbose: { type: 'boolean', default: false },
  },
})
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

function reportsOf(pid) {
  const file = join(process.env.HEAP_REPORTS, String(pid))
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

/** Live memory of each process after a collection; nothing is in flight, and idle connections are closed. */
async function sample() {
  await sleep(Number(values['pause-s']) * 1_000)
  // On a machine that is too busy an instance misses its probes and is replaced: that one says nothing any more.
  for (const [name, pid] of Object.entries(pids)) {
    if (kill(pid, 0)) continue
    delete pids[name]
    console.log(`${name} was replaced and is left out`)
  }
  const before = new Map(Object.values(pids).map((pid) => [pid, reportsOf(pid).length]))
  for (const pid of before.keys()) kill(pid, 'SIGWINCH')
  const isThere = () => [...before].every(([pid, count]) => reportsOf(pid).length > count)
  await waitUntil(isThere, 'reports of all processes')
  const of = {}
  for (const [name, pid] of Object.entries(pids)) {
    const { heapUsed, external, rss } = reportsOf(pid).at(-1)
    of[name] = { live: heapUsed + external, rss }
  }
  const line = Object.keys(of).map((name) => `${name} ${(of[name].live / 1e6).toFixed(3)}`)
  if (values.verbose) console.error(line.join('  '))
  return of
}

const demoShare = Number(values['demo-share'])
const load = {
  url: `http://127.0.0.1:${cluster.port}`,
  key: cluster.key,
  demoShare,
  demoText: 'Welcome to the cluster.',
  rate: Number(values.rate),
  requests: Number(values.requests),
}
const records = []
const samples = []
for (let round = 0; round < Number(values.rounds); round += 1) {
  records.push(...(await openLoop({ ...load, seed: round, prefix: `growth-${round}` })))
  samples.push({ requests: (round + 1) * load.requests, of: await sample() })
}
await cluster.stop()

const right = records.filter(({ outcome }) => outcome === 'right').length
console.log(
  `${records.length} requests at ${load.rate}/s, ${demoShare} of them to the real instances, right ${right}; a probe of each every ${values['probe-ms']} ms`,
)
console.log(
  '| process | live memory after each round, MB | bytes for each request, second half | resident, MB |',
)
console.log('| - | - | - | - |')
const half = samples.slice(Math.floor(samples.length / 2))
for (const name of Object.keys(pids)) {
  const { slope } = theilSen(half.map(({ requests, of }) => [requests, of[name].live]))
  const mb = (what, digits) => samples.map(({ of }) => (of[name][what] / 1e6).toFixed(digits)).join(' ')
  console.log(`| ${[name, mb('live', 2), slope.toFixed(0), mb('rss', 0)].join(' | ')} |`)
}
cleanUp()
process.exit(right === records.length ? 0 : 1)
