// What another user of the machine, and another machine, can open: node bench/faults/scan.mjs (as root)
// A whole cluster is started on all addresses; then every port that it listens on and its control socket are tried.
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { LabCluster } from './lib/cluster.mjs'
import { createNamespace } from './lib/network.mjs'
import { cleanUp, marked, tryRun } from './lib/processes.mjs'

const namespace = createNamespace()
const cluster = new LabCluster({ host: '0.0.0.0', instances: 2, demo: 1 })
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

const connectScript = (address, port) => `exec 3<>/dev/tcp/${address}/${port}`
const asNobody = (...command) =>
  tryRun('setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', ...command)
const listeners = [...new Map(listening().map((each) => [each.port, each])).values()]
const problems = []
const say = (what, open, mayBeOpen) => {
  console.log(`${open ? 'open  ' : 'closed'}  ${what}`)
  if (open !== mayBeOpen) problems.push(what)
}

for (const { port, everywhere } of listeners) {
  const name =
    port === balancer.port ? 'balancer' : (instances.find((each) => each.port === port)?.id ?? 'unknown')
  if (namespace) {
    const [file, args] = namespace.command(
      'timeout',
      '2',
      'bash',
      '-c',
      connectScript(namespace.address, port),
    )
    say(`from another network: ${name}, port ${port}`, tryRun(file, ...args) !== null, name === 'balancer')
  }
  if (everywhere && name !== 'balancer') problems.push(`${name} listens on all addresses`)
  // Loopback is shared by all users of a machine; what an instance gives there is what the balancer gives without keys.
  const isOpen = asNobody('timeout', '2', 'bash', '-c', connectScript('127.0.0.1', port)) !== null
  console.log(`${isOpen ? 'open  ' : 'closed'}  as another user, over loopback: ${name}, port ${port}`)
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
