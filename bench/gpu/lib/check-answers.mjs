import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createEngine } from '@asr-cluster/asr-instance'

export const demo = fileURLToPath(new URL('../../../models/demo/', import.meta.url))
const fixture = fileURLToPath(new URL('../../../test/fixtures/qwen3-asr-tiny/', import.meta.url))
/** Words of a text that may differ from the processor's in float32; of the exact formats none. */
const differingWords = { none: 0, fp16: 0, int8: 0, int4: 0.05 }
/** Of the mean log-probability of a text: what rounding may change. */
const logprobTolerance = { none: 0.001, fp16: 0.02, int8: 0.05, int4: 0.5 }

/** Texts of the demo's clips on WebGPU against the processor's: alone, as a batch, and beside a client that leaves. */
export async function checkAnswers({ scratch, report, clips: count, quantization, fixture: withFixture }) {
  const clips = Array.from({ length: count }, (_, index) => readWav(demoClip(index)))
  const cpu = await open(demo, scratch, 'cpu', 'none')
  const expected = await Promise.all(clips.map((clip) => transcribe(cpu, clip)))
  await cpu.close()
  const started = performance.now()
  const gpu = await open(demo, scratch, 'webgpu', quantization)
  report(true, `${quantization}: loaded on ${gpu.model.executionProvider} in ${since(started)} s`)
  compare(report, quantization, 'alone', expected.slice(0, 1), [await transcribe(gpu, clips[0])])
  const batched = performance.now()
  const [texts, left] = await Promise.all([
    Promise.all(clips.map((clip) => transcribe(gpu, clip))),
    leave(gpu, clips[0]),
  ])
  compare(report, quantization, `${count} at once, ${since(batched)} s`, expected, texts)
  report(left === 'client_closed', `${quantization}: a client leaves at the first word: ${left}`)
  compare(report, quantization, 'after it left', expected.slice(0, 1), [await transcribe(gpu, clips[0])])
  await gpu.close()
  if (withFixture) await checkFixture({ scratch, report, quantization })
}

/** Share of the fixture's tokens that have to be the same. Random weights do not survive 4 bits: not judged. */
const fixtureShare = { none: 1, fp16: 0.9, int8: 0, int4: 0 }

/** Random weights: the tokens up to the first other one. */
async function checkFixture({ scratch, report, quantization }) {
  const clips = readdirSync(fixture)
    .filter((name) => name.endsWith('.wav'))
    .map((name) => readWav(join(fixture, name)))
  const run = async (device, format) => {
    const engine = await open(fixture, scratch, device, format)
    const answers = await Promise.all(clips.map((clip) => transcribe(engine, clip, { maxNewTokens: 24 })))
    await engine.close()
    return answers.map(({ segments }) => segments.flatMap(({ tokens }) => tokens))
  }
  const [expected, actual] = [await run('cpu', 'none'), await run('webgpu', quantization)]
  const equal = expected.map((tokens, clip) => sameAtBegin(tokens, actual[clip]))
  const total = expected.reduce((sum, { length }) => sum + length, 0)
  const same = equal.reduce((sum, length) => sum + length, 0)
  const line = `${quantization}: fixture, ${same} of ${total} tokens before the first other one`
  if (fixtureShare[quantization] === 0) console.log(`  ${line} (not judged)`)
  else report(same >= fixtureShare[quantization] * total, line)
}

function compare(report, quantization, what, expected, actual) {
  const words = expected.reduce((sum, { text }) => sum + text.split(' ').length, 0)
  const wrong = expected.reduce(
    (sum, { text }, index) => sum + otherWords(text, actual[index]?.text ?? ''),
    0,
  )
  const apart = Math.max(...expected.map((one, index) => Math.abs(logprob(one) - logprob(actual[index]))))
  report(
    wrong <= differingWords[quantization] * words && apart <= logprobTolerance[quantization],
    `${quantization}: ${what}: ${wrong} of ${words} words differ, log-probability by ${apart.toFixed(4)} at most`,
  )
  if (wrong === 0) return
  for (const [index, { text }] of expected.entries()) {
    if (text !== actual[index].text) console.log(`    ${text} | ${actual[index].text}`)
  }
}

export function open(modelDir, scratch, device, quantization) {
  return createEngine({
    modelDir,
    cacheDir: join(scratch, 'cache'),
    quantization,
    device,
    slots: 16,
    threads: 'auto',
    onProgress() {},
    onFatal: (error) => {
      throw error
    },
    metrics: { audioSeconds() {}, inferenceSeconds() {}, tokens() {}, batchSize() {} },
  })
}

export function transcribe(engine, samples, options = {}) {
  async function* audio() {
    yield samples.slice()
  }
  const signal = new AbortController().signal
  return engine.transcribe(audio(), { language: null, prompt: '', temperature: 0, signal, ...options })
}

/** A client that goes away at the first word. */
async function leave(engine, samples) {
  const client = new AbortController()
  const options = { signal: client.signal, onDelta: () => client.abort() }
  return transcribe(engine, samples, options).then(
    () => 'it was answered',
    (error) => error.code,
  )
}

export function demoClip(index) {
  return join(demo, 'eval', `${String(index).padStart(3, '0')}.wav`)
}

export function readWav(path) {
  const wav = readFileSync(path)
  const samples = new Float32Array((wav.length - 44) >> 1)
  for (let i = 0; i < samples.length; i++) samples[i] = wav.readInt16LE(44 + 2 * i) / 32_768
  return samples
}

const logprob = ({ segments }) => segments[0]?.avgLogprob ?? 0

/** Levenshtein's distance, in words. */
function otherWords(expected, actual) {
  const [a, b] = [expected.split(' '), actual.split(' ')]
  let line = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (const [row, word] of a.entries()) {
    const next = [row + 1]
    for (const [column, other] of b.entries()) {
      next.push(Math.min(next[column] + 1, line[column + 1] + 1, line[column] + (word === other ? 0 : 1)))
    }
    line = next
  }
  return line.at(-1)
}

function sameAtBegin(a, b) {
  const at = a.findIndex((token, index) => token !== b[index])
  return at < 0 ? a.length : at
}

function since(start) {
  return ((performance.now() - start) / 1000).toFixed(1)
}
