import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ControlClient, controlSocketPath } from '../../../packages/supervisor/dist/index.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** Starts a cluster on free ports; `stop` ends it and everything of it. */
export async function startCluster(config) {
  const dir = mkdtempSync(join(tmpdir(), 'asr-bench-'))
  const runtimeDir = join(dir, 'run')
  mkdirSync(runtimeDir, { mode: 0o700 })
  const groups = (config.groups ?? [{}]).map((group) => ({ basePort: 0, ...group }))
  writeFileSync(join(dir, 'asr-cluster.yaml'), JSON.stringify({ ...config, balancer: { port: 0 }, groups }))
  const child = spawn(process.execPath, [`${root}packages/supervisor/bin/asr-cluster.js`, 'up'], {
    cwd: dir,
    env: { ...process.env, XDG_RUNTIME_DIR: runtimeDir },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  let output = ''
  const url = await new Promise((resolve, reject) => {
    const read = (chunk) => {
      output += chunk
      const match = /serving on (http:\/\/\S+)/.exec(output)
      if (match) resolve(match[1])
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    child.once('exit', () => reject(new Error(output)))
  })
  return {
    url,
    pid: child.pid,
    /** What `asr-cluster status --json` says. */
    async status() {
      const client = new ControlClient(
        controlSocketPath(join(runtimeDir, 'asr-cluster'), Number(new URL(url).port)),
      )
      try {
        return await client.status()
      } finally {
        await client.close()
      }
    },
    async stop() {
      child.kill('SIGTERM')
      await exited
      rmSync(dir, { recursive: true })
    },
  }
}

/** At least so many seconds of the demo's evaluation clips, cut there: 16-bit samples at 16 kHz. */
export function recording(seconds) {
  const wanted = seconds * 32_000
  const pieces = []
  for (let have = 0, index = 0; have < wanted; index = (index + 1) % 80) {
    const file = `${root}models/demo/eval/${String(index).padStart(3, '0')}.wav`
    const samples = readFileSync(file).subarray(44)
    pieces.push(samples)
    have += samples.length
  }
  return Buffer.concat(pieces).subarray(0, wanted)
}

export function toWav(samples) {
  const header = readFileSync(`${root}models/demo/eval/000.wav`).subarray(0, 44)
  const wav = Buffer.concat([header, samples])
  wav.writeUInt32LE(wav.length - 8, 4)
  wav.writeUInt32LE(samples.length, 40)
  return wav
}

/** Sum of a series of the cluster over its labels. */
export async function metric(url, name, having = /./) {
  const lines = (await (await fetch(`${url}/metrics`)).text()).split('\n')
  return lines
    .filter((line) => (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) && having.test(line))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}

export function quantile(values, q) {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]
}

export function printTable(rows) {
  console.log('| what | figure |\n| --- | --- |')
  for (const [name, value] of Object.entries(rows)) {
    console.log(`| ${name} | ${Number.isInteger(value) ? value : value.toFixed(3)} |`)
  }
}
