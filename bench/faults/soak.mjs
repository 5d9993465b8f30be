// A cluster under an even load for a long time, and what grows: node bench/faults/soak.mjs [--minutes 60] [--load 0.7]
// Samples resident memory, file descriptors and p99 latency. The first third is warm-up: V8 still compiles and grows its
// heap. Of the rest it prints the slope of the medians of each minute (Theil–Sen), with the range that holds it with 95 % of
// chance (a little wider in truth, as neighbouring minutes are not independent), and that of least squares over all samples.
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { openFiles, residentBytes } from '../balancer/lib/cpu.mjs'
import { quantile } from '../balancer/lib/load.mjs'
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

const samples = []
let isOver = false
async function sample() {
  const startedAt = performance.now()
  while (!isOver) {
    await sleep(Number(values['sample-s']) * 1_000)
    const hours = (performance.now() - startedAt) / 3_600_000
    const of = ([name, pid]) => [name, { rss: residentBytes(pid) / 1e6, fd: openFiles(pid) }]
    samples.push({ hours, stolen: stolenTicks(), of: Object.fromEntries(Object.entries(pids).map(of)) })
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
const warmed = await openLoop({ ...warming, prefix: 'warm' })
const fullRate = rateOf(values['warm-load'])
const fullRequests = Math.round(Number(values['warm-minutes']) * 60 * fullRate)
warmed.push(...(await openLoop({ ...options, requests: fullRequests, rate: fullRate, prefix: 'full' })))
const begunAt = Date.now()
const sampling = sample()
const records = await openLoop({ ...options, requests: Math.round(seconds * rate), rate, prefix: 'soak' })
isOver = true
await sampling
const left = await cluster.stop()
if (values.save) writeFileSync(values.save, JSON.stringify(samples))

const right = records.filter(({ outcome, breaks }) => outcome === 'right' && breaks.length === 0).length
const warm = samples.slice(Math.floor(samples.length / 3))
console.log(
  `before: ${warmRequests} requests to the real instances, ${fullRequests} to all, right ${warmed.filter(({ outcome }) => outcome === 'right').length}`,
)
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
const hoursOf = ({ at }) => (at - begunAt) / 3_600_000
const p99 = (list) =>
  quantile(
    list.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b),
    0.99,
  )
console.log('| p99 | ms in each third | slope, ms/h | 95 % of chance |')
console.log('| - | - | - | - |')
const kinds = { all: records, lab: records.filter(({ isDemo }) => !isDemo) }
if (demoShare > 0) kinds.demo = records.filter(({ isDemo }) => isDemo)
for (const [name, list] of Object.entries(kinds)) {
  const third = (part) => list.filter((record) => Math.floor((hoursOf(record) * 10_800) / seconds) === part)
  const minutes = new Map()
  for (const record of list) {
    const minute = Math.floor(hoursOf(record) * 60)
    if (!minutes.get(minute)?.push(record)) minutes.set(minute, [record])
  }
  const points = [...minutes].map(([minute, part]) => [(minute + 0.5) / 60, p99(part)])
  const { slope, low, high } = theilSen(points.slice(Math.floor(points.length / 3)))
  const thirds = [0, 1, 2].map((part) => p99(third(part)).toFixed(0)).join(', ')
  console.log(`| ${name} | ${thirds} | ${slope.toFixed(1)} | ${low.toFixed(1)} to ${high.toFixed(1)} |`)
}
const stolen = [0, 1, 2].map((part) => {
  const [from, to] = [part, part + 1].map((edge) => samples[Math.round(((samples.length - 1) * edge) / 3)])
  return ((to.stolen - from.stolen) / 3_600 / (to.hours - from.hours)).toFixed(1)
})
console.log(`taken by the host in each third, % of a core: ${stolen.join(', ')}`)
cleanUp()
process.exit(right === records.length && left.length === 0 ? 0 : 1)
