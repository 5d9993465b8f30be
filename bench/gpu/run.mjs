/**
 * The table of a GPU: encoder, prompt and decode step by the number of rows beside what the memory's bandwidth allows, and
 * audio seconds per second by requests at once. Beside it, with a Python that has torch and transformers, the same stages of
 * transformers' own model on the same GPU.
 *
 *   node bench/gpu/run.mjs [--sizes 0.6B,1.7B | --model DIR] [--device webgpu] [--quantization fp16]
 *                          [--batches 1,8,32,128] [--concurrency 1,8,32,128] [--seconds 11] [--tokens 40]
 *                          [--bandwidth GB/s] [--python PATH] [--json FILE] [--driver system|lavapipe]
 *
 * The sizes are checkpoints with random weights, which it makes.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createEngine } from '@asr-cluster/asr-instance'
import { writeRandomCheckpoint } from '../engine/random-checkpoint.mjs'
import { firstGpu } from './lib/memory-bandwidth.mjs'
import { piecesTogether, timeStages } from './lib/stages.mjs'
import { findDriver, wrapDriver } from './lib/vulkan-driver.mjs'

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    sizes: { type: 'string', default: '0.6B,1.7B' },
    device: { type: 'string', default: 'webgpu' },
    quantization: { type: 'string', default: 'fp16' },
    batches: { type: 'string', default: '1,8,32,128' },
    concurrency: { type: 'string', default: '1,8,32,128' },
    seconds: { type: 'string', default: '11' },
    tokens: { type: 'string', default: '40' },
    bandwidth: { type: 'string' },
    python: { type: 'string' },
    driver: { type: 'string', default: 'system' },
    work: { type: 'string', default: join(tmpdir(), 'asr-cluster-bench') },
    json: { type: 'string' },
  },
})
const numbers = (text) => text.split(',').map(Number)
const clipSeconds = Number(options.seconds)
const cacheDir = join(options.work, 'cache')
mkdirSync(cacheDir, { recursive: true })
if (options.driver !== 'system') {
  Object.assign(
    process.env,
    wrapDriver(findDriver(options.driver), mkdtempSync(join(tmpdir(), 'asr-driver-'))),
  )
}
const gpu = firstGpu()
const bandwidth = options.bandwidth ? Number(options.bandwidth) : gpu.bandwidth
const samples = clip()
const results = { gpu: gpu.name, bandwidth, options, models: [] }

for (const size of options.model ? [null] : options.sizes.split(',')) {
  const modelDir = size === null ? options.model : join(options.work, size)
  if (!existsSync(join(modelDir, 'config.json'))) writeRandomCheckpoint(size, modelDir)
  const { device, quantization } = options
  const batches = numbers(options.batches)
  const stages = await timeStages({ modelDir, cacheDir, quantization, device, seconds: clipSeconds, batches })
  const torch = options.python ? runTorch(modelDir) : null
  const requests = await timeRequests(modelDir)
  results.models.push({ modelDir, stages, torch, ...requests })
  print(modelDir, stages, torch, requests)
}
if (options.json) writeFileSync(options.json, JSON.stringify(results, null, 2))
process.exit()

async function timeRequests(modelDir) {
  const levels = numbers(options.concurrency)
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
      inferenceSeconds() {},
      batchSize: (rows) => batches.push(rows),
    },
  })
  const loadSeconds = (performance.now() - started) / 1000
  await transcribe(engine)
  const rows = []
  for (const level of levels) {
    // The second turn counts: in the first one shaders are compiled.
    for (const isMeasured of [false, true]) {
      batches = []
      const begun = performance.now()
      await Promise.all(Array.from({ length: level }, () => transcribe(engine)))
      const seconds = (performance.now() - begun) / 1000
      const meanBatch = batches.reduce((sum, size) => sum + size, 0) / Math.max(1, batches.length)
      if (isMeasured) rows.push({ level, audioSecondsPerSecond: (level * clipSeconds) / seconds, meanBatch })
    }
  }
  await engine.close()
  return { rows, loadSeconds, quantization: engine.model.quantization }
}

function print(modelDir, stages, torch, { rows, loadSeconds, quantization }) {
  const ms = (value) => (value === null || value === undefined ? '-' : `${value.toFixed(2)} ms`)
  console.log(
    `\n${modelDir}, ${quantization} on ${options.device} (${gpu.name}), loaded in ${loadSeconds.toFixed(1)} s\n`,
  )
  console.log('| stage | ours | bandwidth allows | transformers |\n| --- | --- | --- | --- |')
  const line = (...cells) => console.log(`| ${cells.join(' | ')} |`)
  line(`encoder, ${clipSeconds} s`, ms(stages.encoderMs), '', ms(torch?.encoderMs))
  line('prompt', ms(stages.prefillMs), '', ms(torch?.prefillMs))
  if (stages.prefillTogetherMs) {
    line(`encoder, ${piecesTogether} at once`, ms(stages.encoderTogetherMs), '', '-')
    line(`prompt, ${piecesTogether} at once`, ms(stages.prefillTogetherMs), '', '-')
  }
  for (const [batch, time] of Object.entries(stages.decode)) {
    const bytes = stages.weightBytes + batch * stages.rowBytes
    const least = bandwidth === null ? null : bytes / (bandwidth * 1e6)
    const share = least === null || time === null ? '' : ` (${((100 * least) / time).toFixed(0)} %)`
    line(`decode step, ${batch} rows`, ms(time), `${ms(least)}${share}`, ms(torch?.decode[batch]))
  }
  console.log('\n| at once | audio s/s | mean batch |\n| --- | --- | --- |')
  for (const { level, audioSecondsPerSecond, meanBatch } of rows) {
    line(level, audioSecondsPerSecond.toFixed(1), meanBatch.toFixed(1))
  }
}

function runTorch(modelDir) {
  const script = fileURLToPath(new URL('lib/torch_stages.py', import.meta.url))
  const args = [script, '--config', join(modelDir, 'config.json'), '--batches', options.batches]
  const output = execFileSync(options.python, [...args, '--seconds', options.seconds], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return JSON.parse(output.trim().split('\n').at(-1))
}

async function transcribe(engine) {
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
