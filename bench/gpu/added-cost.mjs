/**
 * What we add in front of a foreign server: nginx, which reads the upload and answers a fixed JSON, is the instance of a
 * `command:` group under our supervisor and balancer, as vLLM would be. The same client asks it directly and through us, in
 * short turns one after the other.
 *
 *   node bench/gpu/added-cost.mjs [--turns 6] [--turn-s 1] [--bytes 160000] [--clients 1,8,32]
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startCluster } from '../api/lib/cluster.mjs'
import { cpuSeconds } from '../balancer/lib/cpu.mjs'
import { closedLoop } from '../balancer/lib/load.mjs'

const { values: options } = parseArgs({
  options: {
    turns: { type: 'string', default: '6' },
    'turn-s': { type: 'string', default: '1' },
    bytes: { type: 'string', default: '160000' },
    clients: { type: 'string', default: '1,8,32' },
  },
})
const seconds = Number(options['turn-s'])
const dir = mkdtempSync(join(tmpdir(), 'asr-added-cost-'))
const template = join(dir, 'nginx.conf')
writeFileSync(
  template,
  `daemon off; master_process off; error_log /dev/null; pid ${dir}/PORT.pid;
  events { worker_connections 1024; }
  http { access_log off; keepalive_requests 1000000000; client_max_body_size 100m; client_body_temp_path ${dir}/PORT.bodies;
    server { listen 127.0.0.1:PORT; default_type application/json;
      location = /health { return 200 '{}'; }
      location / { return 200 '{"text":"What was said."}'; } } }`,
)
const command = [
  'sh',
  '-c',
  `sed s/PORT/{port}/g ${template} > ${dir}/{port}.conf; exec nginx -c ${dir}/{port}.conf`,
]
const cluster = await startCluster({ groups: [{ name: 'foreign', instances: 1, slots: 64, command }] })
try {
  const { instances, balancer, supervisor } = await cluster.status()
  const [{ port, pid }] = instances
  const server = [pid, ...childrenOf(pid)]
  const ours = [balancer.pid, supervisor.pid]
  const body = Buffer.alloc(Number(options.bytes), 'audio ')
  const paths = { direct: port, through: Number(new URL(cluster.url).port) }
  console.log(
    `\nnginx ${nginxVersion()}, uploads of ${options.bytes} bytes, least of ${options.turns} turns\n`,
  )
  console.log(
    '| clients | direct p50 | through us p50 | added | direct p99 | through us p99 | requests/s | CPU of nginx | CPU of ours |',
  )
  console.log('| --- | --- | --- | --- | --- | --- | --- | --- | --- |')
  for (const clients of options.clients.split(',').map(Number)) {
    const turns = { direct: [], through: [] }
    for (let turn = 0; turn <= Number(options.turns); turn++) {
      for (const [name, target] of Object.entries(paths)) {
        const result = await takeTurn(target, clients, body, server, ours)
        // The first turn only warms up.
        if (turn > 0) turns[name].push(result)
      }
    }
    printRow(clients, turns)
  }
} finally {
  await cluster.stop()
  rmSync(dir, { recursive: true, force: true })
}

async function takeTurn(port, clients, body, server, ours) {
  const cpuOf = (pids) => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0)
  const before = [cpuOf(server), cpuOf(ours)]
  const result = await closedLoop({ port, body, clients, seconds })
  if (result.lost > 0) throw new Error(`${result.lost} requests lost: ${[...result.failures]}`)
  const perRequest = (now, then) => ((now - then) / result.requests) * 1e6
  return {
    ...result,
    serverMicros: perRequest(cpuOf(server), before[0]),
    ourMicros: perRequest(cpuOf(ours), before[1]),
  }
}

/** The least of each figure: what else the machine does can only add to it. */
function printRow(clients, { direct, through }) {
  const least = (turns, key) => Math.min(...turns.map((turn) => turn[key]))
  const ms = (turns, key) => `${least(turns, key).toFixed(2)} ms`
  const most = (turns) => Math.max(...turns.map(({ perSecond }) => perSecond)).toFixed(0)
  const added = least(through, 'p50') - least(direct, 'p50')
  const micros = (turns, key) => `${least(turns, key).toFixed(0)} µs`
  const cells = [
    clients,
    ms(direct, 'p50'),
    ms(through, 'p50'),
    `${added.toFixed(2)} ms (${(least(through, 'p50') / least(direct, 'p50')).toFixed(1)}×)`,
    ms(direct, 'p99'),
    ms(through, 'p99'),
    `${most(direct)} / ${most(through)}`,
    micros(through, 'serverMicros'),
    micros(through, 'ourMicros'),
  ]
  console.log(`| ${cells.join(' | ')} |`)
}

/** What runs below the wrappers of the supervisor. */
function childrenOf(pid) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && parentOf(name) === pid)
    .flatMap((name) => [Number(name), ...childrenOf(Number(name))])
}

function parentOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return Number.NaN
  }
}

function nginxVersion() {
  // It answers on standard error.
  const text = execFileSync('sh', ['-c', 'nginx -v 2>&1'], { encoding: 'utf8' })
  return text.split('/')[1]?.trim() ?? text.trim()
}
