// What a request costs in each proxy: CPU time of the proxy's process, latency, throughput, and what is lost when an
// upstream is killed. The same workers, client and machine for all, in short turns one after the other; the least of the
// turns counts, because what other programs of the machine do can only add to it.
// node bench/balancer/compare.mjs [--turns 8] [--turn-s 0.4] [--only asr-balancer,nginx] [--json]
import { parseArgs } from 'node:util'
import { cpuSeconds } from './lib/cpu.mjs'
import { closedLoop } from './lib/load.mjs'
import { sleep } from './lib/processes.mjs'
import { proxies, startProxy, startWorkers } from './lib/proxies.mjs'

const { values } = parseArgs({
  options: {
    turns: { type: 'string', default: '8' },
    'turn-s': { type: 'string', default: '0.4' },
    only: { type: 'string', default: Object.keys(proxies).join(',') },
    json: { type: 'boolean', default: false },
  },
})
const seconds = Number(values['turn-s'])
const names = values.only.split(',')
const sizes = { '1 KB': 1_000, '160 KB': 160_000, '2 MB': 2_000_000 }

const members = await startWorkers([3, 3, 2, 2], 64)
const running = []
for (const name of names) running.push(await startProxy(name, members))
await sleep(800)

const results = Object.fromEntries(names.map((name) => [name, {}]))
for (const [label, size] of Object.entries(sizes)) {
  const body = Buffer.alloc(size, 'audio ')
  for (const { port } of running) await closedLoop({ port, body, clients: 16, seconds: 2 * seconds })
  const turns = Object.fromEntries(names.map((name) => [name, []]))
  for (let turn = 0; turn < Number(values.turns); turn += 1) {
    for (const proxy of running) turns[proxy.name].push(await takeTurn(proxy, body))
  }
  for (const name of names) results[name][label] = best(turns[name])
}
for (const proxy of running) results[proxy.name].killed = await killOne(proxy)
report()
process.exit(0)

async function takeTurn({ port, child }, body) {
  const before = cpuSeconds(child.pid)
  const full = await closedLoop({ port, body, clients: 16, seconds })
  const cpuMicros = ((cpuSeconds(child.pid) - before) / full.requests) * 1e6
  const alone = await closedLoop({ port, body, clients: 1, seconds: seconds / 4 })
  return { cpuMicros, perSecond: full.perSecond, p50: full.p50, p99: full.p99, alone: alone.p50 }
}

/** The least of each figure, and the most of the rate. */
function best(turns) {
  const least = (key) => Math.min(...turns.map((turn) => turn[key]))
  const perSecond = Math.max(...turns.map((turn) => turn.perSecond))
  return {
    cpuMicros: least('cpuMicros'),
    perSecond,
    p50: least('p50'),
    p99: least('p99'),
    alone: least('alone'),
  }
}

/** kill -9 of one upstream under load, back after a second. */
async function killOne({ port }) {
  const load = closedLoop({ port, body: Buffer.alloc(20_000, 'audio '), clients: 16, seconds: 2.5 })
  await sleep(500)
  members[0].child.kill('SIGKILL')
  await sleep(1_000)
  members[0].restart()
  return load
}

function report() {
  if (values.json) {
    console.log(JSON.stringify(results, undefined, 2))
    return
  }
  for (const label of Object.keys(sizes)) {
    const heads = ['CPU µs', 'to nginx', 'req/s', 'p50 ms', 'p99 ms', 'alone ms']
    console.log(`\n${label} bodies, 16 connections`)
    console.log('proxy'.padEnd(18) + heads.map((head) => head.padStart(10)).join(''))
    for (const name of names) {
      const { cpuMicros, perSecond, p50, p99, alone } = results[name][label]
      const ratio = cpuMicros / (results.nginx?.[label].cpuMicros ?? Number.NaN)
      const cells = [
        cpuMicros.toFixed(0),
        ratio.toFixed(2),
        perSecond.toFixed(0),
        p50.toFixed(2),
        p99.toFixed(2),
        alone.toFixed(2),
      ]
      console.log(name.padEnd(18) + cells.map((cell) => cell.padStart(10)).join(''))
    }
  }
  console.log('\none of four upstreams killed under load (20 KB bodies)')
  for (const name of names) {
    const { requests, lost, failures } = results[name].killed
    const what = [...failures].map(([code, times]) => `${times} × ${code}`).join(', ')
    console.log(`${name.padEnd(18)}lost ${lost} of ${requests}${what ? ` (${what})` : ''}`)
  }
}
