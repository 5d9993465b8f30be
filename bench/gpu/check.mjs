/**
 * Compares WebGPU with the processor on this machine: the same tokens for the demo's clips, alone and as a batch, and a
 * client that leaves. Without a GPU, Debian's chromium has a software Vulkan device (slow, but the same code path):
 *
 *   VK_DRIVER_FILES=/usr/lib/chromium/vk_swiftshader_icd.json node bench/gpu/check.mjs [--clips 8] [--quantization none]
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createEngine } from '@asr-cluster/asr-instance'

const { values: options } = parseArgs({
  options: {
    clips: { type: 'string', default: '8' },
    quantization: { type: 'string', default: 'none' },
  },
})
const demo = fileURLToPath(new URL('../../models/demo/', import.meta.url))
const cacheDir = mkdtempSync(join(tmpdir(), 'asr-gpu-check-'))
const clips = Array.from({ length: Number(options.clips) }, (_, index) => readClip(index))
const failures = []

try {
  const cpu = await open('cpu', 'none')
  const expected = await Promise.all(clips.map((clip) => text(cpu, clip)))
  await cpu.close()
  const started = performance.now()
  const gpu = await open('webgpu', options.quantization)
  console.log(`${gpu.model.quantization} on ${gpu.model.executionProvider}, loaded in ${since(started)} s`)
  check('first clip alone', [expected[0]], [await text(gpu, clips[0])])
  const batched = performance.now()
  const [others] = await Promise.all([
    Promise.all(clips.map((clip) => text(gpu, clip))),
    leave(gpu, clips[0]),
  ])
  check(`${clips.length} clips as a batch, one more client leaves, ${since(batched)} s`, expected, others)
  check('after the client left', [expected[0]], [await text(gpu, clips[0])])
  await gpu.close()
} finally {
  rmSync(cacheDir, { recursive: true, force: true })
}
process.exit(failures.length > 0 ? 1 : 0)

function open(device, quantization) {
  return createEngine({
    modelDir: demo,
    cacheDir,
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

async function text(engine, samples, signal = new AbortController().signal, onDelta) {
  async function* audio() {
    yield samples.slice()
  }
  const result = await engine.transcribe(audio(), {
    language: null,
    prompt: '',
    temperature: 0,
    signal,
    onDelta,
  })
  return result.text
}

/** A client that goes away at the first word. */
async function leave(engine, samples) {
  const client = new AbortController()
  const outcome = await text(engine, samples, client.signal, () => client.abort()).catch(
    (error) => error.code,
  )
  check('the client that left', ['client_closed'], [outcome])
}

function check(what, expected, actual) {
  const same = expected.filter((value, index) => value === actual[index]).length
  console.log(`${what}: ${same} of ${expected.length} the same`)
  for (const [index, value] of expected.entries()) {
    if (value === actual[index]) continue
    failures.push(what)
    console.log(`  expected ${JSON.stringify(value)}, got ${JSON.stringify(actual[index])}`)
  }
}

function readClip(index) {
  const wav = readFileSync(join(demo, 'eval', `${String(index).padStart(3, '0')}.wav`))
  const samples = new Float32Array((wav.length - 44) >> 1)
  for (let i = 0; i < samples.length; i++) samples[i] = wav.readInt16LE(44 + 2 * i) / 32_768
  return samples
}

function since(start) {
  return ((performance.now() - start) / 1000).toFixed(1)
}
