// What another user of the machine, and another machine, get an answer from: node bench/faults/scan.mjs (as root)
// A whole cluster is started on all addresses; then every port that it listens on and its control socket are tried.
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { LabCluster } from './lib/cluster.mjs'
import { answered } from './lib/knock.mjs'
import { createNamespace } from './lib/network.mjs'
import { cleanUp, marked, tryRun } from './lib/processes.mjs'

const namespace = createNamespace()
// Real instances only: those of the lab guard nothing.
const cluster = new LabCluster({ host: '0.0.0.0', instances: 0, demo: 3 })
await cluster.start()
const { balancer, instances } = await cluster.status()
const socketPath = join(cluster.disk, 'state', `${cluster.port}.sock`)

/** Every TCP port that a process of the cluster listens on, with its address. */
function listening() {
  const inodes = new Set(
    marked(cluster.mark).flatMap(({ pid }) =>
      readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
        try {
          return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? []
        } catch {
          return []
        }
      }),
    ),
  )
  return ['tcp', 'tcp6'].flatMap((name) =>
    readFileSync(`/proc/net/${name}`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === '0A' && inodes.has(fields[9]))
      .map(([, local]) => ({
        everywhere: /^0+:/.test(local),
        port: Number.parseInt(local.split(':')[1], 16),
      })),
  )
}

const asUser =
  (uid) =>
  (...command) => ['setpriv', '--reuid', String(uid), '--regid', String(uid), '--clear-groups', ...command]
const nobody = 65_534
const elsewhere = (...command) => namespace.command(...command).flat()
const asNobody = (...command) => tryRun(...asUser(nobody)(...command))
const listeners = [...new Map(listening().map((each) => [each.port, each])).values()]
const problems = []
const say = (what, open, mayBeOpen) => {
  console.log(`${open ? 'open  ' : 'closed'}  ${what}`)
  if (open !== mayBeOpen) problems.push(what)
}
/** Open is a port that gives as much as a byte to anything it is told; only the balancer's may be, to others. */
const sayPort = (who, name, as, address, port, mayBeOpen) => {
  const words = answered(as, address, port)
  say(
    `${who}: ${name}, port ${port}${words.length > 0 ? ` (answers ${words.join(', ')})` : ''}`,
    words.length > 0,
    mayBeOpen,
  )
}

for (const { port, everywhere } of listeners) {
  const name =
    port === balancer.port ? 'balancer' : (instances.find((each) => each.port === port)?.id ?? 'unknown')
  const isBalancer = name === 'balancer'
  if (namespace) sayPort('from another network', name, elsewhere, namespace.address, port, isBalancer)
  if (everywhere && !isBalancer) problems.push(`${name} listens on all addresses`)
  sayPort('as another user, over loopback', name, asUser(nobody), '127.0.0.1', port, isBalancer)
  sayPort('as another user, by IPv6', name, asUser(nobody), '::ffff:127.0.0.1', port, isBalancer)
  sayPort('as the same user', name, asUser(0), '127.0.0.1', port, true)
}
const python = `import socket,sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])`
const knocks = ['python3', '-c', python, socketPath]
const node = [
  process.execPath,
  '-e',
  `require('net').connect(process.argv[1]).on('connect',()=>process.exit(0)).on('error',()=>process.exit(1))`,
  socketPath,
]
const byRoot = tryRun(...node) !== null
say('as the same user: control socket', byRoot, true)
say(
  'as another user: control socket',
  asNobody(...(tryRun('python3', '--version') ? knocks : node)) !== null,
  false,
)
for (const path of [join(cluster.disk, 'state'), socketPath, join(cluster.dir, 'config.json')]) {
  const mode = (statSync(path).mode & 0o777).toString(8)
  console.log(`mode ${mode}  ${path.slice(cluster.dir.length + 1)}`)
  if (/[1-7][0-7]$|[1-7]$/.test(mode)) problems.push(`${path} has mode ${mode}`)
}
if (!namespace) console.log('not done: another network (no namespace could be made)')
const left = await cluster.stop()
console.log(`${listeners.length} listening ports, ${problems.length} problems, ${left.length} processes left`)
for (const problem of problems) console.log(`  ${problem}`)
cleanUp()
process.exit(problems.length + left.length === 0 ? 0 : 1)
