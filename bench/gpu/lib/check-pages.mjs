import { compileModel, readModelConfig } from '@asr-cluster/asr-instance'
import { Checkpoint } from '../../../packages/asr-instance/dist/engine/checkpoint/checkpoint.js'
import { tokenTables } from '../../../packages/asr-instance/dist/engine/runtime/row-table.js'
import { openModel } from '../../../packages/asr-instance/dist/engine/runtime/open-model.js'
import { demo } from './check-answers.mjs'

/** Of two computations of the same in another order. */
const logprobTolerance = 0.02
/** More than the attention takes token by token, and than the first pages hold. */
const longPrompt = 1100

/**
 * Keys and values in pages on the device: rows that share pages until one of them writes, rows of different lengths in one
 * run, prompts in one run and in slices, and long ones, each against the same alone and from the beginning.
 */
export async function checkPages({ scratch, report }) {
  const compiled = await compileModel({
    modelDir: demo,
    cacheDir: `${scratch}/cache`,
    quantization: 'fp16',
    device: 'gpu',
  })
  const config = await readModelConfig(demo)
  const place = { ...compiled, modelDir: demo, device: 'webgpu', threads: 0, spin: false }
  const model = await openModel({ place, config, head: { row: () => null }, ends: [-1] })
  const { decoder } = model
  const { hidden } = config.text
  // What the model knows: of vectors that are none of its tokens an answer hangs on the last bit.
  const checkpoint = await Checkpoint.open(demo)
  const { embeddings } = tokenTables(checkpoint)
  const words = (name, tokens) =>
    embeddings.rows(Array.from({ length: tokens }, (_, i) => 300 + ((i * 37 + name * 411) % 3000)))

  const feed = async (cache, embeds) =>
    decoder.step(cache, embeds, embeds.length / hidden / cache.rows, false)
  const newRow = () => {
    const cache = decoder.newCache(1)
    cache.addRow()
    return cache
  }
  /** The answer to all of it from the beginning. */
  const alone = async (...parts) => {
    const cache = newRow()
    const embeds = Float32Array.from(parts.flatMap((part) => [...part]))
    const answer = await feed(cache, embeds)
    cache.removeRow(0)
    return answer
  }
  const same = (what, a, b, row = 0) => {
    const apart = Math.abs(a.logprobs[row] - b.logprobs[0])
    const isSame = a.tokens[row] === b.tokens[0] && apart <= logprobTolerance
    report(isSame, `pages: ${what}: token ${a.tokens[row]}, log-probability apart by ${apart.toFixed(4)}`)
  }

  const [prompt, one, other] = [words(1, 21), words(2, 1), words(3, 6)]
  const kept = newRow()
  await feed(kept, prompt)
  const batch = decoder.newCache(3)
  batch.copy(kept)
  same('a copy goes on', await feed(batch, one), await alone(prompt, one))
  same('and its original, by other tokens', await feed(kept, other), await alone(prompt, other))
  kept.truncate(19)
  same('cut and continued', await feed(kept, one), await alone(prompt.subarray(0, 19 * hidden), one))

  const long = words(4, longPrompt)
  const whole = newRow()
  const answer = await feed(whole, long)
  const sliced = newRow()
  let last
  for (let at = 0; at < longPrompt; at += 192)
    last = await feed(sliced, long.subarray(at * hidden, (at + 192) * hidden))
  same(`${longPrompt} tokens at once and in slices`, answer, last)

  const twin = decoder.newCache(1)
  twin.copy(sliced)
  const [a, b] = [newRow(), newRow()]
  const both = [
    { cache: a, embeds: prompt, tokens: 21, wantLogits: false },
    { cache: b, embeds: long, tokens: longPrompt, wantLogits: false },
  ]
  const mixed = await decoder.stepTogether(both)
  same(`21 tokens beside ${longPrompt}`, mixed[0], await alone(prompt))
  same(`${longPrompt} beside 21`, mixed[1], answer)
  a.removeRow(0)
  b.removeRow(0)

  batch.adopt(sliced)
  const three = decoder.newCache(1)
  three.addRow()
  await feed(three, prompt)
  batch.adopt(three)
  const steps = [words(5, 1), words(6, 1), words(7, 1)]
  const together = await feed(batch, Float32Array.from(steps.flatMap((step) => [...step])))
  same('a row of 22 tokens in a batch', together, await alone(prompt, one, steps[0]), 0)
  same(`one of ${longPrompt}`, together, await feed(twin, steps[1]), 1)
  same('one of 21', together, await alone(prompt, steps[2]), 2)
  while (batch.rows > 0) batch.removeRow(0)
  kept.removeRow(0)
  whole.removeRow(0)
  twin.removeRow(0)
  decoder.releaseMemory()
  same('after all was given back', await alone(prompt), await alone(prompt))
  await model.release()
  await checkpoint.close()
}
