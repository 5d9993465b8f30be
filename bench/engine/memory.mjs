/**
 * Resident memory of several instances of one model on one machine, and how much of it they share (mapped weight files
 * and libraries count once for the machine).
 *
 *   node bench/engine/memory.mjs [--size 1.7B] [--quantization int4] [--instances 4] [--work DIR]
 */
import { spawn } from 'node:child_process'
import { existsSync, openAsBlob, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { writeRandomCheckpoint } from './random-checkpoint.mjs'

const { values: options } = parseArgs({
  options: {
    size: { type: 'string', default: '1.7B' },
    quantization: { type: 'string', default: 'int4' },
    instances: { type: 'string', default: '4' },
    work: { type: 'string', default: join(tmpdir(), 'asr-cluster-bench') },
  },
})
const modelDir = join(options.work, options.size)
if (!existsSync(join(modelDir, 'config.json'))) writeRandomCheckpoint(options.size, modelDir)
const bin = fileURLToPath(new URL('../../packages/asr-instance/bin/asr-instance.js', import.meta.url))
const hello = fileURLToPath(new URL('../../examples/hello.wav', import.meta.url))

const instances = []
try {
  console.log('| instances | resident, sum | proportional, sum | of it private |\n| --- | --- | --- | --- |')
  for (let count = 1; count <= Number(options.instances); count++) {
    instances.push(await start())
    await transcribe(instances.at(-1).url)
    if (count === 1 || count === Number(options.instances)) row(count)
  }
} finally {
  for (const { program } of instances) program.kill('SIGKILL')
}

function start() {
  const args = [
    bin,
    '--model',
    modelDir,
    '--port',
    '0',
    '--quantization',
    options.quantization,
    '--threads',
    '2',
  ]
  const program = spawn(process.execPath, [...args, '--cache-dir', join(options.work, 'cache')], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  return new Promise((resolve, reject) => {
    program.on('message', (message) => {
      if (message.type === 'ready') resolve({ program, url: `http://127.0.0.1:${message.port}` })
    })
    program.on('exit', (code) => reject(new Error(`the instance ended with ${code}`)))
  })
}

async function transcribe(url) {
  const form = new FormData()
  form.set('audio', await openAsBlob(hello), 'hello.wav')
  const response = await fetch(`${url}/asr`, { method: 'POST', body: form })
  if (!response.ok) throw new Error(await response.text())
}

function row(count) {
  const sums = { Rss: 0, Pss: 0, Private_Clean: 0, Private_Dirty: 0 }
  for (const { program } of instances) {
    const text = readFileSync(`/proc/${program.pid}/smaps_rollup`, 'utf8')
    for (const key of Object.keys(sums))
      sums[key] += Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(text)[1]) / 1000
  }
  const privateMB = sums.Private_Clean + sums.Private_Dirty
  console.log(
    `| ${count} | ${sums.Rss.toFixed(0)} MB | ${sums.Pss.toFixed(0)} MB | ${privateMB.toFixed(0)} MB |`,
  )
}
