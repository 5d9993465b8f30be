import { existsSync, mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { kill, sleep, tryRun, waitUntil } from './processes.mjs'

/**
 * Each fault does its damage, ends it, and resolves when the cluster is whole again; it calls `cleared` when nothing stands
 * in the way of that any more, from when on the recovery is timed. `impossible` says why it cannot be done here.
 */
export const faults = {
  'instance: kill -9': {
    async run({ cluster, pick }, cleared) {
      const victim = await ready(cluster, pick)
      kill(victim.pid, 'SIGKILL')
      cleared()
      await replaced(cluster, victim)
    },
  },
  'instance: SIGSTOP, SIGCONT after 0.7 s': {
    async run({ cluster, pick }, cleared) {
      const victim = await ready(cluster, pick)
      kill(victim.pid, 'SIGSTOP')
      await sleep(700)
      kill(victim.pid, 'SIGCONT')
      cleared()
      await cluster.ready()
    },
  },
  'instance: SIGSTOP for good': {
    async run({ cluster, pick }, cleared) {
      const victim = await ready(cluster, pick)
      kill(victim.pid, 'SIGSTOP')
      cleared()
      await replaced(cluster, victim)
    },
  },
  'instance: out of memory': {
    async run({ cluster, pick, note }, cleared) {
      const victim = await ready(cluster, pick)
      const group = limitMemory(victim.pid)
      note(group?.kind ?? 'rlimit')
      if (group === null) tryRun('prlimit', '--pid', String(victim.pid), `--as=${2 ** 30}`)
      kill(victim.pid, 'SIGUSR1')
      cleared()
      await replaced(cluster, victim)
      group?.remove()
    },
  },
  'instance: GPU lost (exit 76)': {
    async run({ cluster, pick }, cleared) {
      const victim = await ready(cluster, pick)
      kill(victim.pid, 'SIGUSR2')
      cleared()
      await replaced(cluster, victim)
    },
  },
  'instance: port stolen': {
    async run({ cluster, pick, note }, cleared) {
      const victim = await ready(cluster, pick)
      const answer =
        'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{"text":"no"}'
      const visitors = new Set()
      const thief = net.createServer((socket) => {
        visitors.add(socket)
        socket.on('error', () => {}).on('data', () => socket.write(answer))
      })
      kill(victim.pid, 'SIGKILL')
      const until = performance.now() + 3_000
      let stolen = false
      while (!stolen && performance.now() < until) {
        stolen = await new Promise((resolve) => {
          thief.removeAllListeners('error').removeAllListeners('listening')
          thief.once('error', () => resolve(false)).once('listening', () => resolve(true))
          thief.listen({ port: victim.port, host: '127.0.0.1', exclusive: true })
        })
        if (!stolen) await sleep(1)
      }
      note(stolen ? 'stolen' : 'too late')
      cleared()
      await replaced(cluster, victim)
      thief.close()
      for (const socket of visitors) socket.destroy()
    },
  },
  'real instance: kill -9': {
    impossible: ({ cluster }) => !cluster.sizes.demo && 'no demo group',
    async run({ cluster, pick }, cleared) {
      const victim = await ready(cluster, pick, 'demo')
      kill(victim.pid, 'SIGKILL')
      cleared()
      await replaced(cluster, victim)
    },
  },
  'real instance: model file deleted, then killed': {
    impossible: ({ cluster }) => !cluster.sizes.demo && 'no demo group',
    async run({ cluster, pick, note }, cleared) {
      const victim = await ready(cluster, pick, 'demo')
      const file = join(cluster.modelDir, 'model.safetensors')
      renameSync(file, `${file}.gone`)
      kill(victim.pid, 'SIGKILL')
      const isDown = async () => (await cluster.status()).instances.some(({ state }) => state === 'failed')
      const failed = await waitUntil(isDown, 'a failed instance', 15_000).catch(() => false)
      note(failed ? 'failed until start' : 'came back by itself')
      renameSync(`${file}.gone`, file)
      cleared()
      if (failed) await cluster.operate('start', { ids: [victim.id] })
      await cluster.ready()
    },
  },
  'disk full': {
    impossible: ({ cluster }) => cluster.diskKind === 'folder' && 'no disk of its own could be mounted',
    async run({ cluster }, cleared) {
      const file = join(cluster.disk, 'filler')
      tryRun('dd', 'if=/dev/zero', `of=${file}`, 'bs=1M', 'count=1000')
      await sleep(2_000)
      rmSync(file)
      cleared()
      await cluster.ready()
    },
  },
  'disk stuck for 1.5 s': {
    impossible: ({ cluster }) => cluster.diskKind !== 'ext4' && 'no disk of its own that can be frozen',
    async run({ cluster }, cleared) {
      tryRun('fsfreeze', '-f', cluster.disk)
      await sleep(1_500)
      tryRun('fsfreeze', '-u', cluster.disk)
      cleared()
      await cluster.ready()
    },
  },
  'log folder removed': {
    async run({ cluster, pick, note }, cleared) {
      rmSync(cluster.logsDir, { recursive: true, force: true })
      const victim = await ready(cluster, pick)
      kill(victim.pid, 'SIGKILL')
      cleared()
      await replaced(cluster, victim)
      note(existsSync(join(cluster.logsDir, 'supervisor.log')) ? 'made anew' : 'LOGS LOST')
    },
  },
  'clock jumps by +1 h, then back': {
    impossible: ({ cluster }) => !cluster.faketime && 'libfaketime is not installed',
    async run({ cluster }, cleared) {
      writeFileSync(cluster.clockFile, '+3600\n')
      await sleep(2_500)
      writeFileSync(cluster.clockFile, '-3600\n')
      await sleep(2_500)
      writeFileSync(cluster.clockFile, '+0\n')
      cleared()
      await cluster.ready()
    },
  },
  '60 half-open clients': {
    async run({ cluster, namespace }, cleared) {
      const texts = ['POST /asr HT', 'POST /asr HTTP/1.1\r\nHost: a\r\n', uploadHead(cluster.key)]
      const sockets = connectWith(cluster.port, texts)
      if (namespace) leaveHalfOpen(namespace, cluster.port)
      await sleep(1_500)
      for (const [index, socket] of sockets.entries()) {
        if (index % 2 === 0) socket.resetAndDestroy()
        else socket.destroy()
      }
      cleared()
      await cluster.ready()
    },
  },
  '60 clients that leave in the middle': {
    async run({ cluster, random }, cleared) {
      const texts = leaversTexts(cluster.key)
      const sockets = connectWith(cluster.port, texts)
      const leave = async (socket) => {
        // While it is received, waits, is worked on, or is answered.
        await sleep(random() * 40)
        if (random() < 0.5) socket.resetAndDestroy()
        else socket.destroy()
      }
      await Promise.all(sockets.map(leave))
      cleared()
      await cluster.ready()
    },
  },
  'network: 5 % of the packets lost': networkFault('lose', 'iptables has no statistic match'),
  'network: packets late by up to 300 ms': networkFault('delay', 'the kernel has neither netem nor tbf'),
  'network: cut for 1.5 s': networkFault('cut', 'iptables does not work'),
  'DNS: name gone for 12 s': {
    impossible: ({ dns }) => !dns && 'no mount namespace',
    inBackground: true,
    async run({ dns }, cleared) {
      dns.lose()
      await sleep(12_000)
      dns.restore()
      cleared()
    },
  },
  'balancer: kill -9': {
    breaksConnections: true,
    async run({ cluster }, cleared) {
      const { balancer } = await cluster.status()
      kill(balancer.pid, 'SIGKILL')
      cleared()
      await waitUntil(async () => {
        const now = (await cluster.status()).balancer.pid
        return now !== null && now !== balancer.pid
      }, 'another balancer')
      await cluster.ready()
    },
  },
  'supervisor: kill -9, then started again': {
    breaksConnections: true,
    takesAllDown: true,
    once: true,
    async run({ cluster }, cleared) {
      kill(cluster.supervisor.pid, 'SIGKILL')
      await cluster.supervisor.exited
      cleared()
      await cluster.start()
    },
  },
  'balancer: replaced (restart balancer)': operation('restart', { ids: ['balancer'], rolling: false }),
  'restart --rolling': operation('restart', { ids: ['hash'], rolling: true }),
  'reload: other weights': {
    async run({ cluster, random }, cleared) {
      cluster.weights = Array.from({ length: cluster.sizes.hash }, () => 1 + Math.floor(random() * 5))
      cluster.writeConfig()
      cleared()
      await cluster.operate('reload')
      await cluster.ready()
    },
  },
  'reload: another environment': {
    async run({ cluster }, cleared) {
      cluster.generation += 1
      cluster.writeConfig()
      cleared()
      await cluster.operate('reload')
      await cluster.ready()
    },
  },
  'scale up by 2 and down again': {
    async run({ cluster }, cleared) {
      const before = cluster.sizes.hash
      cleared()
      await cluster.operate('scale', { targets: [`hash=${before + 2}`] })
      await cluster.operate('scale', { targets: [`hash=${before}`] })
      await cluster.ready()
    },
  },
}

function operation(name, body) {
  return {
    async run({ cluster }, cleared) {
      cleared()
      await cluster.operate(name, body)
      await cluster.ready()
    },
  }
}

function networkFault(kind, reason) {
  return {
    impossible: ({ namespace }) => {
      if (!namespace) return 'no network namespace could be made'
      const works = namespace[kind](true)
      namespace[kind](false)
      return !works && reason
    },
    async run({ cluster, namespace }, cleared) {
      namespace[kind](true)
      await sleep(kind === 'cut' ? 1_500 : 3_000)
      namespace[kind](false)
      cleared()
      await cluster.ready()
    },
  }
}

async function ready(cluster, pick, group = 'hash') {
  const isFit = ({ id, state }) => id.startsWith(`${group}-`) && state === 'ready'
  return pick((await cluster.status()).instances.filter(isFit))
}

async function replaced(cluster, victim) {
  await waitUntil(async () => {
    const now = (await cluster.status()).instances.find(({ id }) => id === victim.id)
    return now && now.pid !== victim.pid && now.state === 'ready'
  }, `${victim.id} to be replaced`)
  await cluster.ready()
}

/** 60 clients that have sent these texts, in turn. */
const connectWith = (port, texts) =>
  Array.from({ length: 60 }, (_, index) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(texts[index % texts.length])
    return socket
  })

const uploadHead = (key) =>
  `POST /asr HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${key}\r\nContent-Length: 100000\r\n\r\nhalf`

/** Uploads, several behind each other, WebSockets, and a long recording for a real instance that is begun only. */
function leaversTexts(key) {
  const head = `Host: a\r\nAuthorization: Bearer ${key}\r\n`
  const upload = `POST /asr HTTP/1.1\r\n${head}Content-Length: 4\r\n\r\nleft`
  const webSocket =
    `GET /v1/realtime HTTP/1.1\r\n${head}x-asr-model: demo\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'
  const health = `GET /health HTTP/1.1\r\n${head}\r\n`
  const connect = 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n'
  return [
    upload,
    upload.repeat(3),
    upload + health.repeat(5),
    webSocket,
    upload + webSocket,
    connect,
    upload + connect,
  ]
}

/** Clients in the namespace whose network is gone before they die: no FIN ever comes. */
function leaveHalfOpen(namespace, port) {
  const script = `for i in 1 2 3 4 5; do (exec 3<>/dev/tcp/${namespace.address}/${port}; printf 'POST /asr HTTP/1.1\\r\\n' >&3; sleep 0.5) & done; sleep 0.2`
  const [file, args] = namespace.command('bash', '-c', script)
  tryRun(file, ...args)
  namespace.cut(true)
  tryRun('sleep', '0.5')
  namespace.cut(false)
}

/** Moves a process into a group with room for 40 MB more; null where there are no memory groups for us. */
function limitMemory(pid) {
  const name = `faults-${process.pid}`
  const kinds = [
    { kind: 'cgroup v2', root: '/sys/fs/cgroup', limit: 'memory.max', needs: 'memory.max' },
    {
      kind: 'cgroup v1',
      root: '/sys/fs/cgroup/memory',
      limit: 'memory.limit_in_bytes',
      needs: 'memory.limit_in_bytes',
    },
  ]
  for (const { kind, root, limit, needs } of kinds) {
    const dir = join(root, name)
    try {
      mkdirSync(dir, { recursive: true })
      readFileSync(join(dir, needs))
      writeFileSync(join(dir, limit), '40000000')
      writeFileSync(join(dir, 'cgroup.procs'), String(pid))
      return { kind, remove: () => rmdirSync(dir) }
    } catch {
      try {
        rmdirSync(dir)
      } catch {
        // Never made.
      }
    }
  }
  return null
}
