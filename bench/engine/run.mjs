/**
 * Times the engine at full model size with random weights, stage by stage and as whole requests, and beside it, in the
 * same run and on the same weights, antirez/qwen-asr when its built checkout is given.
 *
 *   node bench/engine/run.mjs --size 0.6B --quantization int8 [--threads 2] [--antirez PATH] [--work DIR] [--json FILE]
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import * as ort from 'onnxruntime-node'
import { compileModel, createEngine } from '@asr-cluster/asr-instance'
import { writeRandomCheckpoint } from './random-checkpoint.mjs'

const { values: options } = parseArgs({
  options: {
    size: { type: 'string', default: '0.6B' },
    quantization: { type: 'string', default: 'int8' },
    threads: { type: 'string', default: '2' },
    antirez: { type: 'string' },
    work: { type: 'string', default: join(tmpdir(), 'asr-cluster-bench') },
    json: { type: 'string' },
  },
})
const threads = Number(options.threads)
const clipSeconds = 11
const answerTokens = 40
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

await timeStages()
await timeRequests()
if (options.antirez) await timeAntirez()
report()

async function timeStages() {
  const started = performance.now()
  const compiled = await compileModel({ modelDir, cacheDir, quantization: options.quantization })
  results.compileSeconds = (performance.now() - started) / 1000
  const session = { intraOpNumThreads: threads, interOpNumThreads: 1 }
  const encoder = await ort.InferenceSession.create(compiled.encoderPath, session)
  results.stages[`encoder, ${clipSeconds} s`] = await medianMs(5, () => runEncoder(encoder))
  await encoder.release()
  const decoder = await ort.InferenceSession.create(compiled.decoderPath, session)
  results.stages['prefill, 158 tokens'] = await medianMs(5, () => runDecoder(decoder, 1, 158, 0))
  for (const batch of [1, 2, 4, 8, 16]) {
    results.stages[`decode step, batch ${batch}`] = await medianMs(15, () =>
      runDecoder(decoder, batch, 1, 192),
    )
  }
  await decoder.release()
}

async function runEncoder(session) {
  const chunks = clipSeconds
  const tokens = chunks * 13
  const windows = Math.ceil(tokens / 104)
  const index = BigInt64Array.from({ length: windows * 104 }, (_, i) => BigInt(i % tokens))
  await session.run({
    mel: new ort.Tensor('float32', new Float32Array(chunks * 12_800), [chunks, 1, 128, 100]),
    token_index: new ort.Tensor('int64', index, [windows, 104]),
    mask: new ort.Tensor('float32', new Float32Array(windows * 104), [windows, 1, 1, 104]),
  })
}

async function runDecoder(session, batch, tokens, past) {
  const { hidden_size: hidden, num_hidden_layers: layers } = JSON.parse(
    readFileSync(join(modelDir, 'config.json'), 'utf8'),
  ).thinker_config.text_config
  const float = (dims) => new ort.Tensor('float32', new Float32Array(dims.reduce((a, b) => a * b, 1)), dims)
  const positions = BigInt64Array.from({ length: batch * tokens }, (_, i) => BigInt(past + (i % tokens)))
  const feeds = {
    embeds: float([batch, tokens, hidden]),
    positions: new ort.Tensor('int64', positions, [batch, tokens]),
    mask: float([batch, 1, 1, tokens, past + tokens]),
    last: new ort.Tensor('int64', new BigInt64Array(batch).fill(BigInt(tokens - 1)), [batch, 1]),
  }
  for (let layer = 0; layer < layers; layer++) {
    feeds[`past_k.${layer}`] = feeds[`past_v.${layer}`] = float([batch, 8, 1, past, 128])
  }
  const started = performance.now()
  await session.run(feeds, ['token', 'logprob', 'new_k', 'new_v'])
  return performance.now() - started
}

/** Median of what `run` measures itself, or of its wall time, after one run to warm up. */
async function medianMs(count, run) {
  await run()
  const times = []
  for (let i = 0; i < count; i++) {
    const started = performance.now()
    times.push((await run()) ?? performance.now() - started)
  }
  return times.sort((a, b) => a - b)[count >> 1]
}

async function timeRequests() {
  const engine = await createEngine({
    modelDir,
    cacheDir,
    quantization: options.quantization,
    slots: 8,
    threads,
    onProgress: () => {},
    onFatal: (error) => {
      throw error
    },
    metrics: { audioSeconds() {}, inferenceSeconds() {}, tokens() {}, batchSize() {} },
  })
  const samples = clip()
  const request = async () => {
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
  results.requests.aloneMs = await medianMs(5, request)
  let started = performance.now()
  for (let i = 0; i < 8; i++) await request()
  results.requests.eightInTurnMs = performance.now() - started
  started = performance.now()
  await Promise.all(Array.from({ length: 8 }, request))
  results.requests.eightAtOnceMs = performance.now() - started
  results.residentMB = process.memoryUsage.rss() / 1e6
  await engine.close()
}

/** Eleven seconds of real speech: the demo's clips one after another. */
function clip() {
  const samples = new Float32Array(clipSeconds * 16_000)
  for (let i = 0, at = 0; at < samples.length; i++) {
    const name = `${String(i).padStart(3, '0')}.wav`
    const wav = readFileSync(new URL(`../../models/demo/eval/${name}`, import.meta.url))
    for (let byte = 44; byte < wav.length && at < samples.length; byte += 2)
      samples[at++] = wav.readInt16LE(byte) / 32768
  }
  return samples
}

/**
 * Time from the loaded model to the 40th token. The random checkpoint's tokens print as `fill123`, so they can be
 * counted as they come; without an end token the program would go on to its limit, so it is stopped then.
 */
async function timeAntirez() {
  const wav = join(options.work, 'clip.wav')
  writeFileSync(wav, wavOf(clip()))
  const times = []
  for (let i = 0; i < 3; i++) times.push(await antirezOnce(wav))
  results.antirezMs = times.sort((a, b) => a - b)[1]
}

function antirezOnce(wav) {
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
    let text = ''
    program.stderr.on('data', (chunk) => {
      if (started === undefined && String(chunk).includes('Model loaded')) started = performance.now()
    })
    program.stdout.on('data', (chunk) => {
      text += chunk
      if ((text.match(/fill\d+/g) ?? []).length < answerTokens) return
      const elapsed = performance.now() - started
      program.kill('SIGKILL')
      resolve(elapsed)
    })
    program.on('error', reject)
    program.on('exit', () => reject(new Error(`qwen_asr ended after ${text.length} characters`)))
  })
}

function wavOf(samples) {
  const out = Buffer.alloc(44 + 2 * samples.length)
  out.write('RIFF', 0)
  out.writeUInt32LE(36 + 2 * samples.length, 4)
  out.write('WAVEfmt ', 8)
  out.writeUInt32LE(16, 16)
  out.writeUInt16LE(1, 20)
  out.writeUInt16LE(1, 22)
  out.writeUInt32LE(16_000, 24)
  out.writeUInt32LE(32_000, 28)
  out.writeUInt16LE(2, 32)
  out.writeUInt16LE(16, 34)
  out.write('data', 36)
  out.writeUInt32LE(2 * samples.length, 40)
  samples.forEach((sample, i) => out.writeInt16LE(Math.round(sample * 32767), 44 + 2 * i))
  return out
}

function report() {
  const { requests } = results
  const rows = [
    ...Object.entries(results.stages).map(([name, ms]) => [name, `${ms.toFixed(1)} ms`]),
    [`request: ${clipSeconds} s, ${answerTokens} tokens, alone`, `${requests.aloneMs.toFixed(0)} ms`],
    ['real-time factor, alone', (requests.aloneMs / 1000 / clipSeconds).toFixed(3)],
    ['8 in turn', `${requests.eightInTurnMs.toFixed(0)} ms`],
    ['8 at once', `${requests.eightAtOnceMs.toFixed(0)} ms`],
    ['8 at once against in turn', `${(requests.eightInTurnMs / requests.eightAtOnceMs).toFixed(2)}×`],
    ['resident memory', `${results.residentMB.toFixed(0)} MB`],
    ['compilation (0 if cached)', `${results.compileSeconds.toFixed(1)} s`],
  ]
  if (results.antirezMs) {
    rows.push(['antirez/qwen-asr, the same request', `${results.antirezMs.toFixed(0)} ms`])
    rows.push(['ours / theirs', (requests.aloneMs / results.antirezMs).toFixed(2)])
  }
  console.log(`\n${options.size} ${options.quantization}, ${threads} threads, ${results.machine}\n`)
  console.log('| what | figure |\n| --- | --- |')
  for (const row of rows) console.log(`| ${row.join(' | ')} |`)
  if (options.json) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`)
}
