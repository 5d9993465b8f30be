// Does anything stay behind? Many requests, a third of whose clients go away at a random moment, with bodies that are kept
// in memory and in files; then file descriptors, temporary files, memory and counters are what they were at the start.
// node bench/balancer/leaks.mjs [--requests 20000] [--aborts 0.3]
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { request } from 'undici'
import { nodeArguments } from '../../packages/balancer/dist/index.js'
import { openFiles, residentBytes } from './lib/cpu.mjs'
import { balancerBin, freePort, sleep, start, untilListening } from './lib/processes.mjs'
import { startWorkers } from './lib/proxies.mjs'
import { seededRandom } from './lib/random.mjs'

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '20000' },
    aborts: { type: 'string', default: '0.3' },
    clients: { type: 'string', default: '32' },
  },
})
const random = seededRandom(1)
const total = Number(values.requests)
const dir = mkdtempSync(join(tmpdir(), 'asr-balancer-leaks-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))

const members = await startWorkers([1, 1], 8, 1)
const port = await freePort()
const upstreams = members.flatMap((member) => [
  '--upstream',
  `http://127.0.0.1:${member.port};id=${member.id};slots=8`,
])
const child = start(
  process.execPath,
  [...nodeArguments, balancerBin, '--port', port, '--log-level', 'error', ...upstreams],
  { env: { ...process.env, TMPDIR: dir } },
)
await untilListening(port)

/** Most bodies are small; one in fifty goes to a file. */
const bodySize = () => (random() < 0.02 ? 9_000_000 : Math.floor(random() * 40_000))
const head = (size) => `POST /asr HTTP/1.1\r\nHost: x\r\nX-No-Hash: 1\r\nContent-Length: ${size}\r\n\r\n`
const filler = Buffer.alloc(9_000_000, 'audio ')

/** One request on a connection of its own; resolves with true when it was answered, false when it was given up. */
function send(abort) {
  const size = bodySize()
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let answered = false
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(answered))
    socket.on('data', () => {
      answered = true
      socket.end()
    })
    socket.write(head(size))
    socket.write(filler.subarray(0, abort && random() < 0.5 ? Math.floor(size * random()) : size))
    if (abort) setTimeout(() => (random() < 0.5 ? socket.resetAndDestroy() : socket.destroy()), random() * 8)
  })
}

async function burst(count) {
  const outcome = { answered: 0, aborted: 0, lost: 0 }
  let left = count
  const client = async () => {
    while (left-- > 0) {
      const abort = random() < Number(values.aborts)
      const answered = await send(abort)
      if (answered) outcome.answered += 1
      else if (abort) outcome.aborted += 1
      else outcome.lost += 1
    }
  }
  await Promise.all(Array.from({ length: Number(values.clients) }, client))
  return outcome
}

async function readings() {
  // Longer than idle connections to the instances are kept.
  await sleep(5_500)
  const text = await (await request(`http://127.0.0.1:${port}/metrics`)).body.text()
  const gauge = (name) =>
    [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\d+)$`, 'gm'))].reduce(
      (sum, [, value]) => sum + Number(value),
      0,
    )
  await sleep(200)
  return {
    descriptors: openFiles(child.pid),
    files: readdirSync(dir).length,
    megabytes: Math.round(residentBytes(child.pid) / 1e6),
    inFlight: gauge('asr_instance_in_flight'),
    queued: gauge('asr_queue_depth'),
  }
}

await burst(Math.min(2_000, total))
const before = await readings()
const startedAt = performance.now()
const outcome = await burst(total)
console.log(`${total} requests in ${((performance.now() - startedAt) / 1_000).toFixed(1)} s:`, outcome)
const after = await readings()
console.log('before', before)
console.log('after ', after)
const clean =
  outcome.lost === 0 &&
  after.descriptors <= before.descriptors + 2 &&
  after.files === 0 &&
  after.inFlight === 0 &&
  after.queued === 0 &&
  after.megabytes < before.megabytes * 1.5 + 50
console.log(clean ? 'nothing stayed behind' : 'SOMETHING STAYED BEHIND')
child.kill('SIGTERM')
await child.exited
process.exit(clean ? 0 : 1)
