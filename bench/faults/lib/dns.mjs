import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort, untilListening } from '../../balancer/lib/processes.mjs'
import { start, tryRun } from './processes.mjs'

const balancer = fileURLToPath(new URL('../../../packages/balancer/bin/asr-balancer.js', import.meta.url))
const name = 'balancer.faults.test'

/** A second balancer that finds the cluster by a name in a name service of its own; null without mount namespaces. */
export async function startDnsBalancer({ cluster }) {
  if (tryRun('unshare', '-m', 'true') === null) return null
  const hosts = join(cluster.dir, 'hosts')
  const resolv = join(cluster.dir, 'resolv.conf')
  const restore = () => writeFileSync(hosts, `127.0.0.1 localhost\n127.0.0.1 ${name}\n`)
  restore()
  // Nobody answers there: what is not in the file of hosts cannot be found.
  writeFileSync(resolv, 'nameserver 127.0.0.254\noptions timeout:1 attempts:1\n')
  const port = await freePort()
  const upstream = `dns+http://${name}:${cluster.port}`
  const script = 'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"'
  const command = [
    process.execPath,
    balancer,
    '--port',
    String(port),
    '--upstream',
    `${upstream};slots=64;group=hash`,
  ]
  const config = JSON.stringify({ health: { path: '/healthz' } })
  const args = ['-m', 'sh', '-c', script, 'sh', hosts, resolv, ...command, '--config-json', config]
  const child = start('unshare', args)
  await untilListening(port)
  return {
    url: `http://127.0.0.1:${port}`,
    child,
    restore,
    lose: () => writeFileSync(hosts, '127.0.0.1 localhost\n'),
  }
}
