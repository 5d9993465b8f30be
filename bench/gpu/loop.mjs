/**
 * What the decoder that loops (CUDA) saves: for each number of steps per run the time of a token and what would cross the
 * bus for it, computed by `--device` (the processor unless told otherwise, which has no bus: its times only show what a
 * run costs beside its steps).
 *
 *   node bench/gpu/loop.mjs [--model DIR] [--device cpu|cuda] [--quantization none] [--rows 1,8] [--past 400]
 *                           [--steps 1,4,16,64] [--rounds 5]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import * as ort from 'onnxruntime-node'
import { compileModel, readModelConfig } from '@asr-cluster/asr-instance'
import { LoopDecoder } from '../../packages/asr-instance/dist/engine/runtime/loop-decoder.js'

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: fileURLToPath(new URL('../../models/demo', import.meta.url)) },
    device: { type: 'string', default: 'cpu' },
    quantization: { type: 'string', default: 'none' },
    rows: { type: 'string', default: '1,8' },
    past: { type: 'string', default: '400' },
    steps: { type: 'string', default: '1,4,16,64' },
    rounds: { type: 'string', default: '5' },
  },
})
const numbers = (text) => text.split(',').map(Number)
const past = Number(options.past)
const cacheDir = mkdtempSync(join(tmpdir(), 'asr-loop-bench-'))
try {
  const { quantization } = options
  const compiled = await compileModel({ modelDir: options.model, cacheDir, quantization, device: 'cuda' })
  const { text } = await readModelConfig(options.model)
  const session = await ort.InferenceSession.create(compiled.decoderPath, {
    executionProviders: [options.device],
  })
  // No end token: every row takes all steps.
  const decoder = new LoopDecoder(session, text, compiled.precision, [-1])
  const valueBytes = compiled.precision === 'float' ? 4 : 2
  const tokenBytes = 2 * text.layers * text.kvHeads * text.headDim * valueBytes
  console.log(`\n${options.model}, ${compiled.quantization} on ${options.device}, ${past} tokens before\n`)
  console.log('| rows | steps in a run | a step | to the device for a step | from it |')
  console.log('| --- | --- | --- | --- | --- |')
  for (const rows of numbers(options.rows)) {
    for (const steps of numbers(options.steps)) {
      const ms = await timeOf(decoder, text, rows, steps)
      const columns = Math.ceil((past + steps) / 64) * 64
      const [up, down] = [(rows * columns * tokenBytes) / steps, rows * tokenBytes].map(
        (bytes) => `${(bytes / 1e6).toFixed(3)} MB`,
      )
      console.log(`| ${rows} | ${steps} | ${ms.toFixed(2)} ms | ${up} | ${down} |`)
    }
  }
} finally {
  rmSync(cacheDir, { recursive: true, force: true })
}
process.exit()

/** Median milliseconds of a step, of runs that all begin with the same cache. */
async function timeOf(decoder, { hidden }, rows, steps) {
  const embeds = (tokens) => Float32Array.from({ length: tokens * hidden }, (_, i) => Math.sin(i))
  const times = []
  const prompt = decoder.newCache(1)
  prompt.addRow()
  await decoder.step(prompt, embeds(past), past, false)
  for (let round = 0; round <= Number(options.rounds); round++) {
    const cache = decoder.newCache(rows)
    for (let row = 0; row < rows; row++) cache.copy(prompt)
    const most = Array.from({ length: rows }, () => steps)
    const started = performance.now()
    await decoder.steps(cache, embeds(rows), most, steps)
    // The first one only warms up.
    if (round > 0) times.push((performance.now() - started) / steps)
  }
  return times.sort((a, b) => a - b)[times.length >> 1]
}
