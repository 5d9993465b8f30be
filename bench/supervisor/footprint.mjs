// Memory of the supervisor and the balancer with 8 instances, and processor use of the supervisor: idle, and while one
// instance crashes at its start and another one dies every 5 s.
//   node bench/supervisor/footprint.mjs [seconds per phase, default 30]
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ControlClient, controlSocketPath } from '../../packages/supervisor/dist/index.js'

const seconds = Number(process.argv[2] ?? 30)
const bin = fileURLToPath(new URL('../../packages/supervisor/bin/asr-cluster.js', import.meta.url))
const audio = new URL('../../examples/hello.wav', import.meta.url)

const megabytes = (pid) =>
  Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1_000)
const cpuSeconds = (pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}
const cpuPercent = async (pid) => {
  const before = cpuSeconds(pid)
  await sleep(seconds * 1_000)
  return `${(((cpuSeconds(pid) - before) / seconds) * 100).toFixed(1)} %`
}

async function withCluster(config, use) {
  const dir = mkdtempSync(join(tmpdir(), 'footprint-'))
  writeFileSync(join(dir, 'asr-cluster.yaml'), JSON.stringify({ balancer: { port: 0 }, ...config }))
  const child = spawn(process.execPath, [bin, 'up'], {
    cwd: dir,
    env: { ...process.env, XDG_RUNTIME_DIR: dir },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    let output = ''
    const port = await new Promise((resolve, reject) => {
      child.stdout.on('data', (chunk) => {
        output += chunk
        const match = /serving on \S+:(\d+)/.exec(output)
        if (match) resolve(Number(match[1]))
      })
      child.once('exit', () => reject(new Error(output)))
    })
    const client = new ControlClient(controlSocketPath(join(dir, 'asr-cluster'), port))
    await use(await client.status(), port, client)
    await client.close()
  } finally {
    child.kill('SIGTERM')
    await new Promise((resolve) => child.once('exit', resolve))
    rmSync(dir, { recursive: true, force: true })
  }
}

async function load(port) {
  const end = performance.now() + seconds * 1_000
  const bytes = readFileSync(audio)
  let answered = 0
  const client = async () => {
    while (performance.now() < end) {
      const form = new FormData()
      form.set('audio', new Blob([bytes]), 'hello.wav')
      const response = await fetch(`http://127.0.0.1:${port}/asr`, { method: 'POST', body: form })
      await response.arrayBuffer()
      if (response.ok) answered += 1
    }
  }
  await Promise.all(Array.from({ length: 16 }, client))
  return answered
}

await withCluster({ groups: [{ instances: 8, basePort: 0 }] }, async (status, port) => {
  const { supervisor, balancer } = status
  console.log(
    `8 instances, ready:        supervisor ${megabytes(supervisor.pid)} MB, balancer ${megabytes(balancer.pid)} MB`,
  )
  console.log(`8 instances, idle:         supervisor ${await cpuPercent(supervisor.pid)} CPU`)
  const before = cpuSeconds(supervisor.pid)
  const answered = await load(port)
  const percent = (((cpuSeconds(supervisor.pid) - before) / seconds) * 100).toFixed(1)
  console.log(
    `8 instances, ${answered} requests: supervisor ${megabytes(supervisor.pid)} MB, ${percent} % CPU, ` +
      `balancer ${megabytes(balancer.pid)} MB`,
  )
})

const dies =
  "require('http').createServer((q,s)=>s.end()).listen(+process.argv[1],'127.0.0.1');setTimeout(()=>process.exit(1),5000)"
await withCluster(
  {
    groups: [
      { name: 'good', instances: 1, basePort: 0 },
      { name: 'dies', instances: 1, basePort: 0, command: [process.execPath, '-e', dies, '{port}'] },
      { name: 'crashes', instances: 1, basePort: 0, command: [process.execPath, '-e', 'process.exit(1)'] },
    ],
  },
  async ({ supervisor }, _port, client) => {
    console.log(`two that crash:            supervisor ${await cpuPercent(supervisor.pid)} CPU`)
    const { instances } = await client.status()
    for (const { id, state, restarts, lastExit } of instances) {
      console.log(`  ${id} ${state}, ${restarts} restarts, ${lastExit?.reason ?? 'no exit'}`)
    }
  },
)
