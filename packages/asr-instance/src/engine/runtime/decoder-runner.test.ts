import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ort } from './onnxruntime.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Checkpoint } from '../checkpoint/checkpoint.js'
import { compileModel } from '../compile/compile.js'
import { DecoderRunner } from './decoder-runner.js'
import { tokenTables, type RowTable } from './row-table.js'

const modelDir = fileURLToPath(new URL('../../../../../models/demo', import.meta.url))
let scratch: string
let checkpoint: Checkpoint
let head: RowTable
let embeddings: RowTable
let session: ort.InferenceSession

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'asr-decoder-'))
  const { decoderPath } = await compileModel({ modelDir, cacheDir: scratch, quantization: 'int4' })
  checkpoint = await Checkpoint.open(modelDir)
  ;({ head, embeddings } = tokenTables(checkpoint))
  session = await ort.InferenceSession.create(decoderPath)
})

afterAll(async () => {
  await session.release()
  await checkpoint.close()
  await rm(scratch, { recursive: true })
})

const prompts = [
  [1, 2, 3, 4, 5],
  [70, 60, 50, 40, 30],
  [11, 7, 11, 7, 11],
]

/** What a head with other weights would choose after the prompts, one row each. */
async function decode(weights: Pick<RowTable, 'row'>, wantLogits: boolean) {
  const { text } = checkpoint.config
  const runner = new DecoderRunner(session, text, weights)
  const cache = runner.newCache(prompts.length)
  for (const _ of prompts) cache.addRow()
  const embeds = embeddings.rows(prompts.flat())
  return runner.step(cache, embeds, prompts[0]!.length, wantLogits)
}

test('at 4 bits the checkpoint’s own head has the last word', async () => {
  const asked: number[] = []
  const listening = {
    row(token: number) {
      asked.push(token)
      return head.row(token)
    },
  }
  const { tokens, logprobs, logits } = await decode(listening, true)
  const { vocab } = checkpoint.config.text
  for (const [index, token] of tokens.entries()) {
    const row = logits!.subarray(index * vocab, (index + 1) * vocab)
    const peak = Math.max(...row)
    // The candidates' logits are exact, and the rest stays below.
    expect(row[token]).toBe(peak)
    const total = row.reduce((sum, logit) => sum + Math.exp(logit - peak), 0)
    expect(logprobs[index]).toBeCloseTo(-Math.log(total), 4)
  }
  expect(asked).toHaveLength(prompts.length * 16)
  expect(await decode(head, false)).toEqual({ tokens, logprobs, logits: undefined })
})

test('another head chooses otherwise among the same candidates', async () => {
  const { tokens } = await decode(head, false)
  const turned = { row: (token: number) => head.row(token).map((value) => -value) }
  const opposite = await decode(turned, false)
  for (const [index, token] of opposite.tokens.entries()) expect(token).not.toBe(tokens[index])
})
