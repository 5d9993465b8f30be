/**
 * Times the engine on a GPU: audio seconds per second and the steps of each stage, by requests at once.
 *
 *   node bench/gpu/run.mjs [--model DIR | --size 0.6B] [--device webgpu] [--quantization fp16] [--concurrency 1,8,32,128]
 *                          [--seconds 11] [--tokens 40] [--json FILE]
 *
 * Without a model it makes a checkpoint of the given size with random weights.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createEngine } from '@asr-cluster/asr-instance'
import { writeRandomCheckpoint } from '../engine/random-checkpoint.mjs'

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    size: { type: 'string', default: '0.6B' },
    device: { type: 'string', default: 'webgpu' },
    quantization: { type: 'string', default: 'fp16' },
    concurrency: { type: 'string', default: '1,8,32,128' },
    seconds: { type: 'string', default: '11' },
    tokens: { type: 'string', default: '40' },
    work: { type: 'string', default: join(tmpdir(), 'asr-cluster-bench') },
    json: { type: 'string' },
  },
})
const levels = options.concurrency.split(',').map(Number)
const clipSeconds = Number(options.seconds)
const modelDir = options.model ?? join(options.work, options.size)
if (!existsSync(join(modelDir, 'config.json'))) writeRandomCheckpoint(options.size, modelDir)
const cacheDir = join(options.work, 'cache')
mkdirSync(cacheDir, { recursive: true })

/** Seconds and steps by stage since the last reset. */
let stages = {}
let batches = []
const started = performance.now()
const engine = await createEngine({
  modelDir,
  cacheDir,
  quantization: options.quantization,
  device: options.device,
  slots: Math.max(...levels),
  threads: 'auto',
  onProgress: (_stage, ratio, detail) => ratio === 0 && console.error(detail),
  onFatal: (error) => {
    throw error
  },
  metrics: {
    audioSeconds() {},
    tokens() {},
    batchSize: (rows) => batches.push(rows),
    inferenceSeconds(stage, seconds) {
      const known = (stages[stage] ??= { seconds: 0, steps: 0 })
      known.seconds += seconds
      known.steps++
    },
  },
})
const loadSeconds = (performance.now() - started) / 1000
const samples = clip()
await transcribe()

const rows = []
for (const level of levels) {
  stages = {}
  batches = []
  const begun = performance.now()
  await Promise.all(Array.from({ length: level }, transcribe))
  const seconds = (performance.now() - begun) / 1000
  const perStep = (stage) => (stages[stage] ? (1000 * stages[stage].seconds) / stages[stage].steps : 0)
  rows.push({
    level,
    audioSecondsPerSecond: (level * clipSeconds) / seconds,
    encoderMs: perStep('encoder'),
    prefillMs: perStep('prefill'),
    decodeMs: perStep('decode'),
    meanBatch: batches.reduce((sum, size) => sum + size, 0) / Math.max(1, batches.length),
  })
}
await engine.close()

console.log(
  `\n${modelDir}, ${engine.model.quantization} on ${engine.model.executionProvider}, loaded in ${loadSeconds.toFixed(1)} s\n`,
)
console.log('| at once | audio s/s | encoder step | prefill step | decode step | mean batch |')
console.log('| --- | --- | --- | --- | --- | --- |')
for (const row of rows) {
  const ms = (value) => `${value.toFixed(1)} ms`
  console.log(
    `| ${row.level} | ${row.audioSecondsPerSecond.toFixed(1)} | ${ms(row.encoderMs)} | ${ms(row.prefillMs)} | ${ms(row.decodeMs)} | ${row.meanBatch.toFixed(1)} |`,
  )
}
if (options.json) writeFileSync(options.json, JSON.stringify({ ...options, loadSeconds, rows }, null, 2))
process.exit()

async function transcribe() {
  async function* audio() {
    yield samples.slice()
  }
  return engine.transcribe(audio(), {
    language: 'English',
    prompt: '',
    temperature: 0,
    maxNewTokens: Number(options.tokens),
    signal: new AbortController().signal,
  })
}

/** Real speech: the demo's clips one after another. */
function clip() {
  const joined = new Float32Array(clipSeconds * 16_000)
  for (let i = 0, at = 0; at < joined.length; i++) {
    const name = `${String(i).padStart(3, '0')}.wav`
    const wav = readFileSync(new URL(`../../models/demo/eval/${name}`, import.meta.url))
    for (let j = 44; j + 1 < wav.length && at < joined.length; j += 2)
      joined[at++] = wav.readInt16LE(j) / 32_768
  }
  return joined
}
