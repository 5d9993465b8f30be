/**
 * Times the engine at full model size with random weights, stage by stage and as whole requests, and beside it, in
 * turns and on the same weights, antirez/qwen-asr when its built checkout is given, and sherpa-onnx-node. Everything is
 * done once before it is timed.
 *
 *   node bench/engine/run.mjs --size 0.6B --quantization int8 [--threads 2] [--antirez PATH] [--work DIR] [--json FILE]
 *     [--sherpa-node FOLDER] [--sherpa EXPORT] [--rounds 5] [--only stages,alone,eight]
 *
 * `--sherpa-node`: where `npm install sherpa-onnx-node` was run (else the current folder is tried). `--sherpa`: a folder
 * in its format with weights of the same size; without one, the random weights are written in its format.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import * as ort from 'onnxruntime-node'
import { compileModel } from '@asr-cluster/asr-instance'
import { speech, wavOf } from './lib/clips.mjs'
import { openEngine } from './lib/engine.mjs'
import { openSherpa } from './lib/sherpa.mjs'
import { writeRandomCheckpoint } from './random-checkpoint.mjs'
import { exportForSherpa } from './sherpa-export.mjs'

const { values: options } = parseArgs({
  options: {
    size: { type: 'string', default: '0.6B' },
    quantization: { type: 'string', default: 'int8' },
    threads: { type: 'string', default: '2' },
    antirez: { type: 'string' },
    sherpa: { type: 'string' },
    'sherpa-node': { type: 'string' },
    rounds: { type: 'string', default: '5' },
    only: { type: 'string', default: 'stages,alone,eight' },
    work: { type: 'string', default: join(tmpdir(), 'asr-cluster-bench') },
    json: { type: 'string' },
  },
})
const threads = Number(options.threads)
const clipSeconds = 11
let answerTokens = 40
const modelDir = join(options.work, options.size)
if (!existsSync(join(modelDir, 'config.json'))) writeRandomCheckpoint(options.size, modelDir)
const cacheDir = join(options.work, 'cache')
mkdirSync(cacheDir, { recursive: true })
const results = {
  machine: `${cpus()[0].model}, ${availableParallelism()} cores`,
  ...options,
  stages: {},
  requests: {},
}

const parts = options.only.split(',')
if (parts.includes('stages')) await timeStages()
if (parts.includes('alone') || parts.includes('eight')) await timeRequests()
report()

async function timeStages() {
  const started = performance.now()
  const compiled = await compileModel({ modelDir, cacheDir, quantization: options.quantization })
  results.compileSeconds = (performance.now() - started) / 1000
  const session = { intraOpNumThreads: threads, interOpNumThreads: 1 }
  const encoder = await ort.InferenceSession.create(compiled.encoderPath, session)
  results.stages[`encoder, ${clipSeconds} s`] = await medianMs(5, encoderRun(encoder))
  await encoder.release()
  const decoder = await ort.InferenceSession.create(compiled.decoderPath, session)
  results.stages['prefill, 158 tokens'] = await medianMs(5, decoderRun(decoder, 1, 158, 0))
  for (const batch of [1, 2, 4, 8, 16]) {
    results.stages[`decode step, batch ${batch}`] = await medianMs(15, decoderRun(decoder, batch, 1, 192))
  }
  await decoder.release()
}

/** Two attention windows in one run, as the engine does it; zeros in the mask cost the same. */
function encoderRun(session) {
  const chunks = clipSeconds
  const tokens = chunks * 13
  const index = BigInt64Array.from({ length: tokens }, (_, i) => BigInt(i))
  const feeds = {
    mel: new ort.Tensor('float32', new Float32Array(chunks * 12_800), [chunks, 1, 128, 100]),
    token_index: new ort.Tensor('int64', index, [1, tokens]),
    mask: new ort.Tensor('float32', new Float32Array(tokens * tokens), [1, 1, tokens, tokens]),
  }
  return () => session.run(feeds)
}

/** Its inputs are the same in every run: memory that was never touched costs more than the run itself. */
function decoderRun(session, batch, tokens, past) {
  const sizes = { batch, tokens, past, all: past + tokens }
  const feeds = {}
  for (const { name, type, shape } of session.inputMetadata) {
    const dims = shape.map((dim) => (typeof dim === 'number' ? dim : sizes[dim]))
    feeds[name] = new ort.Tensor(type, values(name, type, dims, sizes), dims)
  }
  const outputs = session.outputNames.filter((name) => name !== 'logits')
  return () => session.run(feeds, outputs)
}

function values(name, type, dims, { past, tokens }) {
  const length = dims.reduce((product, dim) => product * dim, 1)
  if (name === 'positions') return BigInt64Array.from({ length }, (_, i) => BigInt(past + (i % tokens)))
  if (name === 'last') return new BigInt64Array(length).fill(BigInt(tokens - 1))
  return new { float32: Float32Array, uint8: Uint8Array, int8: Int8Array }[type](length)
}

/** Median of its wall time, after one run to warm up. */
async function medianMs(count, run) {
  await run()
  const times = []
  for (let i = 0; i < count; i++) {
    const started = performance.now()
    await run()
    times.push(performance.now() - started)
  }
  return median(times)
}

async function timeRequests() {
  const samples = speech(clipSeconds)
  const sherpa = await openPeer()
  const askSherpa = (count) => sherpa.decode(Array(count).fill(samples), 'English')
  if (sherpa) {
    const { answers } = await askSherpa(1)
    // An export of real weights may end earlier than random weights do; ours then decodes as many.
    answerTokens = results.answerTokens = answers[0].tokens
  }
  const engine = await openEngine({ modelDir, cacheDir, quantization: options.quantization, threads })
  const request = () => transcribe(engine, samples)
  const inTurn = async () => {
    for (let i = 0; i < 8; i++) await request()
  }
  const atOnce = () => Promise.all(Array.from({ length: 8 }, request))
  const wav = join(options.work, 'clip.wav')
  writeFileSync(wav, wavOf(samples))
  const sherpaMs = (count) => sherpa && (async () => (await askSherpa(count)).ms)
  if (parts.includes('alone')) {
    const antirez = options.antirez && (() => antirezMs(wav))
    results.requests.alone = await inTurns({ ours: timed(request), sherpa: sherpaMs(1), antirez })
  }
  if (parts.includes('eight'))
    results.requests.eight = await inTurns({
      inTurn: timed(inTurn),
      ours: timed(atOnce),
      sherpa: sherpaMs(8),
    })
  if (sherpa) {
    results.sherpa = { version: sherpa.version, weights: sherpa.weights }
    sherpa.close()
  }
  results.residentMB = process.memoryUsage.rss() / 1e6
  await engine.close()
}

/**
 * Of each that takes part the milliseconds of all rounds but the first. They take turns, so that whatever else the
 * machine does meets all of them.
 */
async function inTurns(sides) {
  const taking = Object.entries(sides).filter(([, run]) => run)
  const times = Object.fromEntries(taking.map(([name]) => [name, []]))
  for (let round = 0; round <= Number(options.rounds); round++) {
    for (const [name, run] of taking) {
      const ms = await run()
      if (round > 0) times[name].push(ms)
    }
  }
  return times
}

function timed(run) {
  return async () => {
    const started = performance.now()
    await run()
    return performance.now() - started
  }
}

async function transcribe(engine, samples) {
  async function* audio() {
    yield samples
  }
  const { outputTokens } = await engine.transcribe(audio(), {
    language: 'English',
    prompt: '',
    temperature: 0,
    maxNewTokens: answerTokens,
    signal: new AbortController().signal,
  })
  if (outputTokens !== answerTokens)
    throw new Error(`the answer has ${outputTokens} tokens, not ${answerTokens}`)
}

async function openPeer() {
  if (!options.sherpa && !options['sherpa-node']) return undefined
  const exported = options.sherpa ?? join(options.work, `sherpa-${options.size}`)
  if (!existsSync(exported)) {
    if (options.sherpa) throw new Error(`${exported} does not exist`)
    await exportForSherpa(modelDir, exported)
  }
  const nodeDir = resolve(options['sherpa-node'] ?? '.')
  return openSherpa({ nodeDir, modelDir: exported, threads, maxNewTokens: answerTokens })
}

function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1]
}

/**
 * Time from the loaded model to the 40th token. The random checkpoint's tokens print as `fill123`, so they can be
 * counted as they come; without an end token the program would go on to its limit, so it is stopped then.
 */
function antirezMs(wav) {
  const program = spawn(
    join(options.antirez, 'qwen_asr'),
    ['-d', modelDir, '-i', wav, '-t', String(threads), '--language', 'English'],
    {
      env: { ...process.env, OPENBLAS_NUM_THREADS: String(threads) },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 120_000,
    },
  )
  return new Promise((resolve, reject) => {
    let started
    let elapsed
    let text = ''
    program.stderr.on('data', (chunk) => {
      if (started === undefined && String(chunk).includes('Model loaded')) started = performance.now()
    })
    program.stdout.on('data', (chunk) => {
      text += chunk
      if (elapsed !== undefined || (text.match(/fill\d+/g) ?? []).length < answerTokens) return
      elapsed = performance.now() - started
      program.kill('SIGKILL')
    })
    program.on('error', reject)
    // Only then is its memory given back, which takes a core for a second.
    program.on('exit', () => {
      if (elapsed === undefined) reject(new Error(`qwen_asr ended after ${text.length} characters`))
      else resolve(elapsed)
    })
  })
}

function report() {
  const rows = Object.entries(results.stages).map(([name, ms]) => [name, inMs(ms, 1)])
  const { alone, eight } = results.requests
  const { version, weights } = results.sherpa ?? {}
  const compare = (what, { ours, sherpa, antirez }) => {
    rows.push([what, inMs(median(ours))])
    const against = (name, theirs) => {
      if (!theirs) return
      rows.push([name, inMs(median(theirs))])
      rows.push(['ours / theirs', (median(ours) / median(theirs)).toFixed(2)])
    }
    against(`sherpa-onnx-node ${version} (${weights}), the same`, sherpa)
    against('antirez/qwen-asr, the same', antirez)
  }
  if (alone) {
    compare(`request: ${clipSeconds} s, ${answerTokens} tokens, alone`, alone)
    rows.push(['real-time factor, alone', (median(alone.ours) / 1000 / clipSeconds).toFixed(3)])
  }
  if (eight) {
    rows.push(['8 in turn', inMs(median(eight.inTurn))])
    compare('8 at once', eight)
    const ratios = eight.inTurn.map((ms, round) => ms / eight.ours[round])
    rows.push(['8 at once against in turn, median of the rounds', `${median(ratios).toFixed(2)}×`])
  }
  if (results.residentMB) rows.push(['resident memory', `${results.residentMB.toFixed(0)} MB`])
  if (results.compileSeconds !== undefined)
    rows.push(['compilation (0 if cached)', `${results.compileSeconds.toFixed(1)} s`])
  console.log(`\n${options.size} ${options.quantization}, ${threads} threads, ${results.machine}\n`)
  console.log('| what | figure |\n| --- | --- |')
  for (const row of rows) console.log(`| ${row.join(' | ')} |`)
  if (options.json) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`)
}

function inMs(ms, digits = 0) {
  return `${ms.toFixed(digits)} ms`
}
