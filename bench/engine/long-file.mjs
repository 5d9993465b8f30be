/**
 * What a long recording costs an instance: peak resident memory against that of a short one, words lost or doubled at
 * the cuts, and how fast `/health` answers meanwhile. The recording is made of the demo's evaluation clips with pauses
 * between them, so its text is known.
 *
 *   node bench/engine/long-file.mjs [--minutes 60] [--model DIR] [--json FILE]
 */
import { execFileSync, spawn } from 'node:child_process'
import {
  mkdtempSync,
  openAsBlob,
  openSync,
  closeSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { wavHeader } from './lib/clips.mjs'
import { probeHealth } from './lib/probe-health.mjs'
import { counted, distance } from './lib/words.mjs'

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    model: { type: 'string', default: fileURLToPath(new URL('../../models/demo', import.meta.url)) },
    json: { type: 'string' },
  },
})
const rate = 16_000
const evalDir = new URL('../../models/demo/eval/', import.meta.url)
const scratch = mkdtempSync(join(tmpdir(), 'asr-long-'))
const clips = readClips()

const short = await measure(10)
const long = await measure(Number(options.minutes) * 60)
rmSync(scratch, { recursive: true })
const result = {
  minutes: Number(options.minutes),
  shortPeakMB: short.peakMB,
  longPeakMB: long.peakMB,
  moreMB: long.peakMB - short.peakMB,
  seconds: long.seconds,
  audioSecondsPerSecond: long.audioSeconds / long.seconds,
  words: long.words,
  ownWordErrorRate: long.clipErrors / long.words,
  wordErrorRate: long.errors / long.words,
  healthP99Ms: long.healthP99Ms,
  healthProbes: long.healthProbes,
}
console.log('| what | figure |\n| --- | --- |')
for (const [name, value] of Object.entries(result)) {
  console.log(`| ${name} | ${Number.isInteger(value) ? value : value.toFixed(3)} |`)
}
if (options.json) writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`)

/** One fresh instance, one recording of about this many seconds. */
async function measure(seconds) {
  const { file, expected, audioSeconds } = writeRecording(seconds)
  const instance = await startInstance()
  try {
    const health = probeHealth(instance.url)
    const form = new FormData()
    form.set('audio', await openAsBlob(file), 'long.wav')
    const started = performance.now()
    const response = await fetch(`${instance.url}/asr`, { method: 'POST', body: form })
    const body = await response.json()
    if (!response.ok) throw new Error(JSON.stringify(body))
    const elapsed = (performance.now() - started) / 1000
    const times = await health.stop()
    const words = counted(expected.map((clip) => clip.text).join(' '))
    return {
      seconds: elapsed,
      audioSeconds,
      peakMB: peakResidentMB(instance.pid),
      words: words.length,
      errors: distance(words, counted(body.text)),
      // What the model gets wrong on the same clips one by one: the part that no cut is to blame for.
      clipErrors: expected.reduce((sum, clip) => sum + distance(counted(clip.text), counted(clip.alone)), 0),
      healthP99Ms: times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0,
      healthProbes: times.length,
    }
  } finally {
    instance.stop()
  }
}

function readClips() {
  return readFileSync(new URL('manifest.jsonl', evalDir), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter((clip) => clip.language === 'English')
    .map((clip) => ({
      text: clip.text,
      alone: clip.reference_output.split('<asr_text>')[1],
      pcm: readFileSync(new URL(clip.audio, evalDir)).subarray(44),
    }))
}

function writeRecording(seconds) {
  const file = join(scratch, `${seconds}.wav`)
  const fd = openSync(file, 'w')
  const pause = Buffer.alloc(2 * rate * 0.75)
  const expected = []
  let bytes = 0
  writeSync(fd, Buffer.alloc(44))
  for (let i = 0; bytes < seconds * 2 * rate; i++) {
    const clip = clips[i % clips.length]
    expected.push(clip)
    for (const part of [clip.pcm, pause]) bytes += writeSync(fd, part)
  }
  writeSync(fd, wavHeader(bytes, rate), 0, 44, 0)
  closeSync(fd)
  return { file, expected, audioSeconds: bytes / 2 / rate }
}

function startInstance() {
  const bin = fileURLToPath(new URL('../../packages/asr-instance/bin/asr-instance.js', import.meta.url))
  const args = [bin, '--model', options.model, '--port', '0', '--max-body-size', '1GB']
  const program = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  return new Promise((resolve, reject) => {
    program.on('message', (message) => {
      if (message.type !== 'ready') return
      const url = `http://127.0.0.1:${message.port}`
      resolve({ url, pid: program.pid, stop: () => program.kill('SIGKILL') })
    })
    program.stdout.resume()
    program.on('exit', (code) => reject(new Error(`the instance ended with ${code}`)))
  })
}

function peakResidentMB(pid) {
  const status = execFileSync('cat', [`/proc/${pid}/status`], { encoding: 'utf8' })
  return Number(/VmHWM:\s+(\d+)/.exec(status)[1]) / 1000
}
