import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ort } from './onnxruntime.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Checkpoint } from '../checkpoint/checkpoint.js'
import { compileModel } from '../compile/compile.js'
import { LogMelExtractor } from '../features/log-mel.js'
import { buildPrompt } from '../text/prompt.js'
import { TextTokenizer } from '../text/tokenizer.js'
import { BatchScheduler } from './batch-scheduler.js'
import { DecoderRunner } from './decoder-runner.js'
import { EncoderRunner } from './encoder-runner.js'
import { LoopDecoder } from './loop-decoder.js'
import type { PreparationModel } from './preparation.js'
import { tokenTables } from './row-table.js'
import type { Decoder } from './sequence-cache.js'
import type { FromWorker, PieceRequest } from './worker-messages.js'

const root = fileURLToPath(new URL('../../../../../', import.meta.url))

async function clip(path: string): Promise<Float32Array> {
  const wav = await readFile(join(root, path))
  return Float32Array.from({ length: (wav.length - 44) / 2 }, (_, i) => wav.readInt16LE(44 + 2 * i) / 32_768)
}

const demoClip = (index: number) => `models/demo/eval/${String(index).padStart(3, '0')}.wav`

// The graph that CUDA gets, computed by the processor.
describe.each([
  {
    model: 'test/fixtures/qwen3-asr-tiny',
    clips: ['short', 'three_seconds', 'two_windows'].map(
      (name) => `test/fixtures/qwen3-asr-tiny/${name}.wav`,
    ),
  },
  { model: 'models/demo', clips: [0, 1, 2, 3, 4].map(demoClip) },
])('$model', ({ model: folder, clips }) => {
  let scratch: string
  let checkpoint: Checkpoint
  let tokenizer: TextTokenizer
  let looping: PreparationModel
  let single: PreparationModel
  let reference: PreparationModel

  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'asr-loop-'))
    const modelDir = join(root, folder)
    const compile = (device: 'cpu' | 'cuda') =>
      compileModel({ modelDir, cacheDir: scratch, quantization: 'none', device })
    const [cuda, cpu] = [await compile('cuda'), await compile('cpu')]
    checkpoint = await Checkpoint.open(modelDir)
    tokenizer = await TextTokenizer.load(modelDir)
    const { text, audio, eosTokenIds } = checkpoint.config
    const encoder = await ort.InferenceSession.create(cpu.encoderPath)
    const loop = new LoopDecoder(
      await ort.InferenceSession.create(cuda.decoderPath),
      text,
      'float',
      eosTokenIds,
    )
    const { embeddings, head } = tokenTables(checkpoint)
    const runner = new DecoderRunner(await ort.InferenceSession.create(cpu.decoderPath), text, head)
    const withDecoder = (decoder: Decoder): PreparationModel => ({
      mel: new LogMelExtractor(),
      encoder: new EncoderRunner(encoder, text.hidden, audio.windowTokens),
      decoder,
      embeddings,
      hidden: text.hidden,
    })
    looping = withDecoder(loop)
    single = withDecoder({ newCache: loop.newCache.bind(loop), step: loop.step.bind(loop) })
    reference = withDecoder(runner)
  })

  afterAll(async () => {
    await checkpoint.close()
    await rm(scratch, { recursive: true })
  })

  /** `leaves`: the piece with number 1 does, as soon as it has a token. */
  async function decode(model: PreparationModel, pieces: readonly PieceRequest[], leaves = false) {
    const messages: FromWorker[] = []
    const scheduler = new BatchScheduler({
      model,
      slots: 3,
      eosTokenIds: checkpoint.config.eosTokenIds,
      random: () => 0.3,
      now: () => 0,
      post: (message) => messages.push(message),
    })
    for (const piece of pieces) scheduler.add({ ...piece, samples: piece.samples.slice() })
    while (!scheduler.idle) {
      if (leaves && messages.some((message) => message.type === 'tokens' && message.id === 1))
        scheduler.cancel(1)
      await scheduler.step()
    }
    const answers = pieces.map(({ id }) => {
      const own = messages.filter((message) => 'id' in message && message.id === id)
      return {
        tokens: own.flatMap((message) => (message.type === 'tokens' ? message.tokens : [])),
        logprobs: own.flatMap((message) => (message.type === 'tokens' ? message.logprobs : [])),
        end: own.flatMap((message) => (message.type === 'done' ? message.reason : [])),
      }
    })
    const runs = messages.flatMap((message) =>
      message.type === 'step' && message.stage === 'decode' ? [message.steps ?? 1] : [],
    )
    return { answers, runs }
  }

  async function pieces(change: (id: number) => Partial<PieceRequest> = () => ({})) {
    return Promise.all(
      clips.map(async (path, id) => ({
        id,
        samples: await clip(path),
        ...buildPrompt(tokenizer, id % 2 ? 'a context' : '', id % 3 ? 'English' : null),
        // Ends within a run, at its end, and after several.
        maxNewTokens: [5, 40, 33, 16, 1][id]!,
        temperature: 0,
        ...change(id),
      })),
    )
  }

  const tokensOf = ({ answers }: Awaited<ReturnType<typeof decode>>) =>
    answers.map(({ tokens, end }) => ({ tokens, end }))

  test('rows of different lengths get the tokens of single steps, in far fewer runs', async () => {
    const requests = await pieces()
    const [many, one, cpu] = [
      await decode(looping, requests),
      await decode(single, requests),
      await decode(reference, requests),
    ]
    expect(tokensOf(many)).toEqual(tokensOf(one))
    expect(tokensOf(many)).toEqual(tokensOf(cpu))
    for (const [id, { logprobs }] of many.answers.entries())
      for (const [i, logprob] of logprobs.entries())
        expect(Math.abs(logprob - one.answers[id]!.logprobs[i]!)).toBeLessThan(1e-4)
    expect(Math.max(...many.runs)).toBeGreaterThan(10)
    expect(many.runs.length).toBeLessThan(one.runs.length / 2)
  })

  test('one that leaves takes nobody along', async () => {
    const requests = await pieces()
    const [all, left] = [await decode(looping, requests), await decode(looping, requests, true)]
    const others = (result: typeof all) => tokensOf(result).filter((_, id) => id !== 1)
    expect(others(left)).toEqual(others(all))
    expect(tokensOf(left)[1]!.end).toEqual([])
  })

  test('beside a row that samples all go step by step, and get the same', async () => {
    const requests = await pieces((id) => (id === 0 ? { temperature: 0.8, maxNewTokens: 12 } : {}))
    const [many, one] = [await decode(looping, requests), await decode(single, requests)]
    expect(tokensOf(many)).toEqual(tokensOf(one))
    expect(many.runs[0]).toBe(1)
    expect(Math.max(...many.runs)).toBeGreaterThan(1)
  })

  test('the loop ends when no row goes on', async () => {
    const { decoder } = looping
    const prompt = async () => {
      const cache = decoder.newCache(2)
      cache.addRow()
      const embeds = looping.embeddings.rows([...buildPrompt(tokenizer, '', 'English').before, 3])
      await decoder.step(cache, embeds, embeds.length / looping.hidden, false)
      return cache
    }
    const cache = await prompt()
    cache.adopt(await prompt())
    const length = cache.length(0)
    const outputs = await decoder.steps!(cache, looping.embeddings.rows([5, 6]), [2, 4], 16)
    expect(outputs.length).toBeLessThanOrEqual(4)
    expect(cache.length(0)).toBe(length + outputs.length)
    expect(cache.length(1)).toBe(length + outputs.length)
  })
})
