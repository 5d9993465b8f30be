// What a request costs in each proxy: CPU time of the proxy's process, latency, throughput, and what is lost when an
// upstream is killed. The same workers, client and machine for all, one proxy after the other.
// node bench/balancer/compare.mjs [--seconds 3] [--only asr-balancer,nginx]
import { parseArgs } from 'node:util'
import { cpuSeconds } from './lib/cpu.mjs'
import { closedLoop } from './lib/load.mjs'
import { sleep } from './lib/processes.mjs'
import { proxies, startProxy, startWorkers } from './lib/proxies.mjs'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    only: { type: 'string', default: Object.keys(proxies).join(',') },
    json: { type: 'boolean', default: false },
  },
})
const seconds = Number(values.seconds)
const names = values.only.split(',')
const sizes = { '1 KB': 1_000, '160 KB': 160_000, '2 MB': 2_000_000 }

const members = await startWorkers([3, 3, 2, 2], 64)
const results = {}
for (const name of names) {
  const proxy = await startProxy(name, members)
  await sleep(500)
  results[name] = {}
  for (const [label, size] of Object.entries(sizes)) {
    const load = { port: proxy.port, body: Buffer.alloc(size, 'audio '), clients: 16 }
    await closedLoop({ ...load, seconds: 0.5 })
    const before = cpuSeconds(proxy.child.pid)
    const result = await closedLoop({ ...load, seconds })
    const cpuMicros = ((cpuSeconds(proxy.child.pid) - before) / result.requests) * 1e6
    const single = await closedLoop({ ...load, clients: 1, seconds: Math.min(1, seconds) })
    results[name][label] = { ...result, cpuMicros, alone: single.p50, aloneP99: single.p99 }
  }
  results[name].killed = await killOne(proxy)
  proxy.child.kill('SIGKILL')
  await proxy.child.exited
}
report()
process.exit(0)

/** kill -9 of one upstream under load, back after a second. */
async function killOne(proxy) {
  const load = closedLoop({
    port: proxy.port,
    body: Buffer.alloc(20_000, 'audio '),
    clients: 16,
    seconds: 2.5,
  })
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
  const direct = (number, digits = 1) => number.toFixed(digits).padStart(9)
  for (const label of Object.keys(sizes)) {
    console.log(`\n${label} bodies, 16 connections`)
    console.log(
      `${'proxy'.padEnd(18)}${['CPU µs', 'to nginx', 'req/s', 'p50 ms', 'p99 ms', '1 conn p50'].map((head) => head.padStart(11)).join('')}`,
    )
    for (const name of names) {
      const row = results[name][label]
      const ratio = row.cpuMicros / (results.nginx?.[label].cpuMicros ?? Number.NaN)
      const cells = [
        direct(row.cpuMicros, 0),
        direct(ratio, 2),
        direct(row.perSecond, 0),
        direct(row.p50, 2),
        direct(row.p99, 2),
        direct(row.alone, 2),
      ]
      console.log(`${name.padEnd(18)}${cells.map((cell) => cell.padStart(11)).join('')}`)
    }
  }
  console.log('\none of four upstreams killed under load (20 KB bodies)')
  for (const name of names) {
    const { requests, lost, failures, p99 } = results[name].killed
    const what = [...failures].map(([code, times]) => `${times} × ${code}`).join(', ')
    console.log(
      `${name.padEnd(18)} lost ${lost} of ${requests}${what ? ` (${what})` : ''}, p99 ${p99.toFixed(1)} ms`,
    )
  }
}
