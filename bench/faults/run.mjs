// The fault lab: a real cluster under open-loop load with unique bodies and known answers, and one fault after the other.
// node bench/faults/run.mjs [--seed 1] [--requests 20000 | --minutes 2] [--rate 60] [--faults kill,disk] [--list]
// What needs root (disks, networks, memory groups) is left out without it, and the report says so.
import { cpSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { seededRandom } from '../balancer/lib/random.mjs'
import { LabCluster } from './lib/cluster.mjs'
import { startDnsBalancer } from './lib/dns.mjs'
import { faults } from './lib/faults.mjs'
import { openLoop } from './lib/load.mjs'
import { createNamespace } from './lib/network.mjs'
import { cleanUp, marked, sleep, start, waitUntil } from './lib/processes.mjs'
import { countExecutions, faultTable, judgeRecords } from './lib/report.mjs'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    requests: { type: 'string', default: '3000' },
    minutes: { type: 'string' },
    rate: { type: 'string', default: '60' },
    instances: { type: 'string', default: '4' },
    demo: { type: 'string', default: '2' },
    'demo-share': { type: 'string', default: '0.03' },
    'late-s': { type: 'string', default: '10' },
    pause: { type: 'string', default: '400' },
    faults: { type: 'string' },
    'keep-logs': { type: 'string' },
    list: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
})
const seed = Number(values.seed)
const rate = Number(values.rate)
const total = values.minutes ? Math.round(Number(values.minutes) * 60 * rate) : Number(values.requests)
if (values.list) {
  console.log(Object.keys(faults).join('\n'))
  process.exit(0)
}
const random = seededRandom(seed)
const pick = (list) => list[Math.floor(random() * list.length)]
const note = (text) => values.verbose && console.error(`${(performance.now() / 1_000).toFixed(1)} s  ${text}`)

const namespace = createNamespace()
const host = namespace ? '0.0.0.0' : '127.0.0.1'
const cluster = new LabCluster({ host, instances: Number(values.instances), demo: Number(values.demo) })
await cluster.start()
const url = `http://127.0.0.1:${cluster.port}`
const dns = await startDnsBalancer({ cluster })
const lab = { cluster, namespace, dns, random, pick }

const wanted = values.faults?.split(',')
const chosen = Object.keys(faults).filter((name) => !wanted || wanted.some((part) => name.includes(part)))
const impossible = Object.fromEntries(
  chosen.map((name) => [name, faults[name].impossible?.(lab) || null]).filter(([, reason]) => reason),
)
const possible = chosen.filter((name) => !impossible[name])
const windows = []
const recentlyDone = new Set()

/** Takes the kinds in a drawn order, again and again: each is done as often as the others. */
async function disturb(isOver) {
  let order = []
  const background = []
  while (!isOver()) {
    if (order.length === 0)
      order = shuffled(possible.filter((name) => !(faults[name].once && recentlyDone.has(name))))
    const name = order.shift()
    recentlyDone.add(name)
    const done = inject(name)
    if (faults[name].inBackground) background.push(done)
    else await done
    await sleep(Number(values.pause))
  }
  await Promise.all(background)
}

async function inject(name) {
  const { run, breaksConnections = false, takesAllDown = false } = faults[name]
  const window = { name, breaksConnections, takesAllDown, from: Date.now(), to: Infinity, notes: [] }
  windows.push(window)
  note(name)
  let clearedAt = performance.now()
  try {
    await run({ ...lab, note: (text) => window.notes.push(text) }, () => (clearedAt = performance.now()))
    window.recoveryMs = performance.now() - clearedAt
  } catch (error) {
    window.notes.push(`NOT RECOVERED: ${error.message}`)
    process.exitCode = 1
  }
  window.to = Date.now()
}

function shuffled(list) {
  return list
    .map((value) => [random(), value])
    .sort(([a], [b]) => a - b)
    .map(([, value]) => value)
}

async function baseline() {
  const form = new FormData()
  form.set(
    'audio',
    new Blob([readFileSync(new URL('../../examples/hello.wav', import.meta.url))]),
    'hello.wav',
  )
  const headers = { authorization: `Bearer ${cluster.key}`, 'x-asr-model': 'demo' }
  return (await (await fetch(`${url}/asr`, { method: 'POST', body: form, headers })).json()).text
}

/** Its share of the load comes through a network that loses, delays and is cut. */
function fromNamespace(options) {
  const worker = new URL('lib/load-worker.mjs', import.meta.url).pathname
  const [file, args] = namespace.command(process.execPath, worker, JSON.stringify(options))
  const child = start(file, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  return child.exited.then(async () => {
    await sleep(50)
    return JSON.parse(child.output)
  })
}

const common = { key: cluster.key, demoText: cluster.sizes.demo ? await baseline() : undefined }
const demoShare = cluster.sizes.demo ? Number(values['demo-share']) : 0
const share = (part) => ({ requests: Math.round(total * part), rate: rate * part })
const viaDns = dns ? 0.05 : 0
const viaNamespace = namespace ? 0.1 : 0
await openLoop({
  ...common,
  url,
  requests: 200,
  rate: 100,
  seed: seed + 10,
  prefix: 'warm',
  demoShare,
  largeShare: 0.02,
})
const before = await cluster.resources()

const startedAt = performance.now()
let isOver = false
const disorder = disturb(() => isOver)
const main = {
  ...common,
  url,
  ...share(1 - viaDns - viaNamespace),
  seed,
  prefix: 'main',
  demoShare,
  largeShare: 0.004,
}
const loads = [openLoop(main)]
if (dns) loads.push(openLoop({ ...common, url: dns.url, ...share(viaDns), seed: seed + 1, prefix: 'dns' }))
if (namespace) {
  const through = `http://${namespace.address}:${cluster.port}`
  loads.push(
    fromNamespace({ ...common, url: through, ...share(viaNamespace), seed: seed + 2, prefix: 'net' }),
  )
}
const records = (await Promise.all(loads)).flat()
isOver = true
await disorder
const seconds = (performance.now() - startedAt) / 1_000
await openLoop({ ...common, url, requests: 100, rate: 100, seed: seed + 11, prefix: 'calm', demoShare })
const after = await cluster.resources()
const slotsLost = await waitUntil(
  async () => (await cluster.slotsTaken()) === 0,
  'all slots to be free',
).then(
  () => 0,
  () => cluster.slotsTaken(),
)
const secrets = await cluster.secretsSeen()
if (values['keep-logs']) cpSync(cluster.logsDir, values['keep-logs'], { recursive: true })
const left = await cluster.stop()

const result = judgeRecords(records, windows, Number(values['late-s']) * 1_000)
const executions = countExecutions(cluster.executions)
const down = windows.filter(({ takesAllDown }) => takesAllDown)
const lines = [
  `${records.length} requests at ${rate}/s, seed ${seed}, ${windows.length} faults of ${new Set(windows.map(({ name }) => name)).size} kinds, ${seconds.toFixed(0)} s`,
  `right ${result.right}, wrong ${result.wrong.length}, lost ${result.lost.length}, refused with an error ${result.refused.length}, ` +
    `late (over ${values['late-s']} s) ${result.late}`,
  `latency ms: p50 ${result.latency[0]}, p99 ${result.latency[1]}, max ${result.latency[2]}`,
  `connections broken by a killed balancer or supervisor and sent again by the client: ${JSON.stringify(result.broken)}`,
  `the whole cluster down by a killed supervisor: ${down.map(({ from, to }) => `${((to - from) / 1_000).toFixed(1)} s`).join(', ') || 'never'}`,
  `answered twice 0 of ${records.length} (each answer carried the id and the hash of its own request)`,
  `executed by instances: ${executions.requests} requests, begun more than once ${executions.begunTwice} (replayed), finished more than once ${executions.endedTwice} (the answer died with a process, or a stopped one went on)`,
  ...faultTable(windows, records),
  `slots still taken when nobody asks any more: ${slotsLost}`,
  `resources before: ${JSON.stringify(before)}`,
  `resources after:  ${JSON.stringify(after)}`,
  `processes left after SIGTERM: ${left.length}; the API key or an identity seen in logs, status, metrics, errors, command lines: ${secrets.length}`,
  `disk: ${cluster.diskKind}; clock: ${cluster.faketime ? 'libfaketime' : 'not moved'}`,
  ...Object.entries(impossible).map(([name, reason]) => `not done: ${name} (${reason})`),
]
console.log(lines.join('\n'))
/** The faults in whose time a request was under way, and the one before. */
const during = ({ at, latencyMs }) =>
  windows.filter(({ from, to }) => from < at + latencyMs && to > at - 3_000).map(({ name }) => name)
for (const record of [...result.lost, ...result.wrong, ...result.refused].slice(0, 20))
  console.log(`  ${JSON.stringify({ ...record, during: during(record) })}`)
for (const { pid, command } of left) console.log(`  left: ${pid} ${command}`)
for (const place of secrets) console.log(`  secret seen in: ${place}`)
if (values.json) console.log(JSON.stringify({ windows, result: { ...result, right: result.right } }))
const bad =
  result.lost.length + result.wrong.length + result.refused.length + left.length + secrets.length + slotsLost
dns?.child.kill('SIGKILL')
for (const { pid } of marked(cluster.mark)) process.kill(pid, 'SIGKILL')
cleanUp()
process.exit(bad === 0 ? (process.exitCode ?? 0) : 1)
