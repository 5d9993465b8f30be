import { statSync } from 'node:fs'
import { join } from 'node:path'
import { compileModel, readModelConfig } from '@asr-cluster/asr-instance'
import { openModel } from '../../../packages/asr-instance/dist/engine/runtime/open-model.js'

/** Tokens of a prompt with 11 s of sound, and of a row in the middle of its answer. */
export const promptTokens = 158
export const pastTokens = 192

/** As many as the engine prepares in the same runs (runtime/prepare-together.ts). */
export const piecesTogether = 8

/**
 * Milliseconds of the stages, each by itself: the encoder for `seconds` of sound, one prompt, both for several pieces in one
 * run (where the engine does that), a decode step for each number of rows; and what a decode step has to read. `null`
 * where the device's memory was too small.
 */
export async function timeStages({ modelDir, cacheDir, quantization, device, seconds, batches }) {
  const kind = device === 'webgpu' ? 'gpu' : device
  const compiled = await compileModel({ modelDir, cacheDir, quantization, device: kind })
  const config = await readModelConfig(modelDir)
  const place = { ...compiled, device, threads: 0, spin: true }
  // No end token: no row ends early.
  const model = await openModel({ place, config, head: { row: () => null }, ends: [-1] })
  const { hidden, layers, kvHeads, headDim } = config.text
  const noise = (length) => Float32Array.from({ length }, (_, i) => Math.sin(i) / 10)
  const frames = seconds * 100
  const mel = { frames, values: noise(frames * 128) }
  const windows = model.encoder.windowCount(mel)
  const result = { decode: {}, encoderMs: await medianMs(5, () => model.encoder.encode(mel, 0, windows)) }
  const promptEmbeds = noise(promptTokens * hidden)
  const prompt = async () => {
    const cache = model.decoder.newCache(1)
    cache.addRow()
    await model.decoder.step(cache, promptEmbeds, promptTokens, false)
    return cache
  }
  result.prefillMs = await medianMs(5, async () => (await prompt()).removeRow(0))
  if (model.decoder.stepTogether) {
    const clips = Array.from({ length: piecesTogether }, () => ({ mel, first: 0, count: windows }))
    result.encoderTogetherMs = await medianMs(5, () => model.encoder.encodeTogether(clips))
    result.prefillTogetherMs = await medianMs(5, promptsTogether)
  }
  for (const rows of batches) result.decode[rows] = await decodeMs(rows).catch(() => null)
  await model.release()
  const valueBytes = compiled.precision === 'float' ? 4 : 2
  return {
    ...result,
    // Every weight is read once, and all keys and values of each row.
    weightBytes: statSync(join(compiled.decoderPath, '..', 'decoder.weights')).size,
    rowBytes: 2 * layers * kvHeads * headDim * valueBytes * pastTokens,
  }

  async function promptsTogether() {
    const caches = Array.from({ length: piecesTogether }, () => model.decoder.newCache(1))
    for (const cache of caches) cache.addRow()
    await model.decoder.stepTogether(
      caches.map((cache) => ({ cache, embeds: promptEmbeds, tokens: promptTokens, wantLogits: false })),
    )
    for (const cache of caches) cache.removeRow(0)
  }

  async function decodeMs(rows) {
    const cache = model.decoder.newCache(rows)
    const embeds = noise(rows * hidden)
    try {
      const first = await prompt()
      for (let row = 0; row < rows; row++) cache.copy(first)
      first.removeRow(0)
      // CUDA does several steps in a run; a step of them counts.
      const count = 16
      const most = Array.from({ length: rows }, () => count)
      if (model.decoder.steps)
        return (await medianMs(3, () => model.decoder.steps(cache, embeds, most, count))) / count
      return await medianMs(16, () => model.decoder.step(cache, embeds, 1, false))
    } finally {
      while (cache.rows > 0) cache.removeRow(cache.rows - 1)
    }
  }
}

/** After runs to warm up: shaders are compiled for each shape. */
async function medianMs(count, run) {
  const times = []
  for (let i = -2; i < count; i++) {
    const started = performance.now()
    await run()
    if (i >= 0) times.push(performance.now() - started)
  }
  return times.sort((a, b) => a - b)[times.length >> 1]
}
