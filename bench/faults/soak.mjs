// A cluster under an even load for a long time, and what grows: node bench/faults/soak.mjs [--minutes 60] [--load 0.7]
// Samples resident memory, file descriptors and p99 latency. The first third is warm-up: V8 still compiles and grows its
// heap. Of the rest it prints the slope of the medians of each minute (Theil–Sen), with the range that holds it with 95 % of
// chance (a little wider in truth, as neighbouring minutes are not independent), and that of least squares over all samples.
import { readFileSync, writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { cpuSeconds, openFiles, residentBytes } from '../balancer/lib/cpu.mjs'
import { quantile } from '../balancer/lib/load.mjs'
import { Answers } from './lib/answers.mjs'
import { LabCluster } from './lib/cluster.mjs'
import { openLoop } from './lib/load.mjs'
import { cleanUp, sleep } from './lib/processes.mjs'
import { leastSquares, theilSen } from './lib/trend.mjs'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    load: { type: 'string', default: '0.7' },
    'service-ms': { type: 'string', default: '200' },
    instances: { type: 'string', default: '4' },
    // Real instances with the demo model besides, and the part of the requests that goes to them.
    demo: { type: 'string', default: '2' },
    'demo-share': { type: 'string', default: '0.05' },
    // To the real instances before the time begins. V8 goes on compiling and learning types for some thousand requests
    // (growth.mjs shows it end), which at the rate of the soak is most of an hour.
    'warm-requests': { type: 'string', default: '8000' },
    'warm-rate': { type: 'string', default: '60' },
    // Then all instances under more load than the soak's: what the largest number of requests at once takes of memory is
    // taken before the time begins, not at some moment in it.
    'warm-minutes': { type: 'string', default: '10' },
    'warm-load': { type: 'string', default: '0.85' },
    seed: { type: 'string', default: '1' },
    'sample-s': { type: 'string', default: '5' },
    // A file for all samples, as JSON.
    save: { type: 'string' },
  },
})
process.env.FAULTS_SERVICE_MS = values['service-ms']
const seconds = Number(values.minutes) * 60
const slots = Number(values.instances) * 4
const demoShare = Number(values.demo) > 0 ? Number(values['demo-share']) : 0
const rateOf = (load) => (Number(load) * slots * 1_000) / Number(values['service-ms']) / (1 - demoShare)
const rate = rateOf(values.load)

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

/** Of those answered: when, in how many milliseconds, by a real instance or not. */
const requests = Math.round(seconds * rate)
const answered = new Answers(requests)
const lateness = monitorEventLoopDelay({ resolution: 10 })
const samples = []
let isOver = false
async function sample() {
  const startedAt = performance.now()
  while (!isOver) {
    await sleep(Number(values['sample-s']) * 1_000)
    const hours = (performance.now() - startedAt) / 3_600_000
    const of = ([name, pid]) => [
      name,
      { rss: residentBytes(pid) / 1e6, fd: openFiles(pid), cpu: cpuSeconds(pid) },
    ]
    samples.push({
      hours,
      requests: answered.length,
      stolen: stolenTicks(),
      // How late this process itself is: it measures the latencies.
      lateMs: lateness.percentile(99) / 1e6,
      of: Object.fromEntries(Object.entries(pids).map(of)),
    })
    lateness.reset()
    if (samples.length % 12 === 0) console.error(progress(samples.at(-1)))
  }
}

/** Hundredths of seconds that this machine's processors waited for the host's, where it is a guest of one. */
const stolenTicks = () => Number(/^cpu +(?:\d+ ){7}(\d+)/.exec(readFileSync('/proc/stat', 'utf8'))?.[1] ?? 0)

const progress = ({ hours, of }) =>
  `${(hours * 60).toFixed(1)} min: ${Object.entries(of)
    .map(([name, { rss, fd }]) => `${name} ${rss.toFixed(1)} MB ${fd}`)
    .join(', ')}`

/** The median of each minute, so that the moment before a garbage collection does not count. `x` is in hours. */
function byMinute(points) {
  const minutes = new Map()
  for (const [x, y] of points) {
    const minute = Math.floor(x * 60)
    minutes.set(minute, [...(minutes.get(minute) ?? []), y])
  }
  return [...minutes].map(([minute, list]) => [
    (minute + 0.5) / 60,
    quantile(
      list.sort((a, b) => a - b),
      0.5,
    ),
  ])
}

const url = `http://127.0.0.1:${cluster.port}`
const options = {
  url,
  key: cluster.key,
  seed: Number(values.seed),
  demoShare,
  demoText: 'Welcome to the cluster.',
}
const warmRequests = demoShare > 0 ? Number(values['warm-requests']) : 0
const warming = { ...options, demoShare: 1, requests: warmRequests, rate: Number(values['warm-rate']) }
let warmRight = 0
const countWarm = ({ outcome }) => {
  if (outcome === 'right') warmRight += 1
}
await openLoop({ ...warming, prefix: 'warm', onRecord: countWarm })
const fullRate = rateOf(values['warm-load'])
const fullRequests = Math.round(Number(values['warm-minutes']) * 60 * fullRate)
await openLoop({ ...options, requests: fullRequests, rate: fullRate, prefix: 'full', onRecord: countWarm })
const begunAt = Date.now()
lateness.enable()
const sampling = sample()
await openLoop({ ...options, requests, rate, prefix: 'soak', onRecord: answered.add })
isOver = true
await sampling
const left = await cluster.stop()
if (values.save) writeFileSync(values.save, JSON.stringify(samples))

const warm = samples.slice(Math.floor(samples.length / 3))
console.log(
  `before: ${warmRequests} requests to the real instances, ${fullRequests} to all, right ${warmRight}`,
)
console.log(
  `${answered.length} requests in ${values.minutes} min at a load of ${values.load} (${rate.toFixed(0)}/s), right ${answered.length - answered.others.length}, left processes ${left.length}`,
)
const others = new Map()
for (const { outcome, breaks, code, detail = '' } of answered.others) {
  const name = `${code ?? outcome} ${/"code":"(\w+)"/.exec(String(detail))?.[1] ?? breaks[0]?.code ?? ''}`
  others.set(name, (others.get(name) ?? 0) + 1)
}
for (const [name, count] of others) console.log(`not right: ${count} × ${name}`)
console.log(
  '| process | memory, MB: after a third, after two, end | slope, MB/h | 95 % of chance | least squares | open files | slope, 1/h |',
)
console.log('| - | - | - | - | - | - | - |')
for (const name of Object.keys(pids)) {
  const memory = warm.map(({ hours, of }) => [hours, of[name].rss])
  const files = warm.map(({ hours, of }) => [hours, of[name].fd])
  const { slope, low, high } = theilSen(byMinute(memory))
  const places = [0, Math.floor(warm.length / 2), warm.length - 1]
  const cells = [
    name,
    places.map((place) => memory[place][1].toFixed(1)).join(', '),
    slope.toFixed(2),
    `${low.toFixed(2)} to ${high.toFixed(2)}`,
    leastSquares(memory).toFixed(2),
    `${files[0][1]}, ${files.at(-1)[1]}`,
    theilSen(byMinute(files)).slope.toFixed(1),
  ]
  console.log(`| ${cells.join(' | ')} |`)
}

console.log('| p99 | ms in each third | slope, ms/h | 95 % of chance |')
console.log('| - | - | - | - |')
const kinds = demoShare > 0 ? { all: undefined, lab: false, demo: true } : { all: undefined }
for (const [name, isDemo] of Object.entries(kinds)) {
  const minutes = answered.p99s(begunAt, 60_000, isDemo).map(([minute, ms]) => [(minute + 0.5) / 60, ms])
  const { slope, low, high } = theilSen(minutes.slice(Math.floor(minutes.length / 3)))
  const thirds = answered.p99s(begunAt, (seconds * 1_000) / 3, isDemo).slice(0, 3)
  const cells = [name, thirds.map(([, ms]) => ms.toFixed(0)).join(', '), slope.toFixed(1)]
  console.log(`| ${cells.join(' | ')} | ${low.toFixed(1)} to ${high.toFixed(1)} |`)
}

// What became slower: a process of the cluster, this one, or all of them together, with the machine.
const edges = [0, 1, 2, 3].map((edge) => Math.round(((samples.length - 1) * edge) / 3))
const thirds = [0, 1, 2].map((part) => samples.slice(edges[part], edges[part + 1] + 1))
const inThirds = (of) => thirds.map((part) => of(part[0], part.at(-1), part).toFixed(2)).join(', ')
for (const name of Object.keys(pids)) {
  const perRequest = (from, to) =>
    ((to.of[name].cpu - from.of[name].cpu) * 1_000) / (to.requests - from.requests)
  console.log(`${name}: CPU for each of all requests, ms in each third: ${inThirds(perRequest)}`)
}
const stolen = (from, to) => (to.stolen - from.stolen) / 3_600 / (to.hours - from.hours)
console.log(`taken by the host in each third, % of a core: ${inThirds(stolen)}`)
const late = (from, to, part) =>
  part.slice(1).reduce((sum, { lateMs }) => sum + lateMs, 0) / (part.length - 1)
console.log(`this process late, p99 of its timers, ms in each third: ${inThirds(late)}`)
cleanUp()
process.exit(answered.others.length === 0 && left.length === 0 ? 0 : 1)
