import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ort } from './runtime/onnxruntime.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Checkpoint } from './checkpoint/checkpoint.js'
import { compileModel } from './compile/compile.js'
import { LogMelExtractor, type LogMel } from './features/log-mel.js'
import { DecoderRunner } from './runtime/decoder-runner.js'
import { DeviceDecoder } from './runtime/device-decoder.js'
import { EncoderRunner } from './runtime/encoder-runner.js'
import { LoopDecoder } from './runtime/loop-decoder.js'
import type { SequenceCache } from './runtime/sequence-cache.js'
import { OnnxCacheDevice } from './runtime/onnx-cache-device.js'
import { prepareRow, type PreparationModel } from './runtime/preparation.js'
import { tokenTables } from './runtime/row-table.js'
import { buildPrompt } from './text/prompt.js'
import { TextTokenizer } from './text/tokenizer.js'

// The reference is transformers' implementation in float32; see test/fixtures/README.md.
const fixture = fileURLToPath(new URL('../../../../test/fixtures/qwen3-asr-tiny', import.meta.url))

interface Golden {
  clips: {
    name: string
    frames: number
    audio_tokens: number
    cases: {
      context: string
      language: string | null
      prompt_ids: number[]
      first_logits_top8: { ids: number[]; values: number[] }
      greedy_tokens: number[]
      min_top2_gap: number
    }[]
  }[]
}

const golden = JSON.parse(await readFile(join(fixture, 'golden.json'), 'utf8')) as Golden
const audioPad = 1533
const eos = [1528, 1530]

async function floats(name: string): Promise<Float32Array> {
  const bytes = await readFile(join(fixture, name))
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
}

/** Samples of a 16 kHz mono 16-bit file with a 44-byte header. */
async function samplesOf(name: string): Promise<Float32Array> {
  const wav = await readFile(join(fixture, `${name}.wav`))
  return Float32Array.from({ length: (wav.length - 44) / 2 }, (_, i) => wav.readInt16LE(44 + 2 * i) / 32768)
}

function maxDifference(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length)
  return a.reduce((worst, value, i) => Math.max(worst, Math.abs(value - b[i]!)), 0)
}

/** A copy of the fixture as transformers' `-hf` folders name things. */
async function writeNativeCopy(dir: string): Promise<void> {
  await cp(fixture, dir, { recursive: true })
  const file = await readFile(join(fixture, 'model.safetensors'))
  const headerBytes = Number(file.readBigUInt64LE())
  const header = file.subarray(8, 8 + headerBytes).toString()
  const renamed = header
    .replaceAll('"thinker.model.', '"model.language_model.')
    .replaceAll('"thinker.lm_head.', '"lm_head.')
    .replaceAll('"thinker.audio_tower.proj', '"model.multi_modal_projector.linear_')
    .replaceAll('"thinker.', '"model.')
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(BigInt(Buffer.byteLength(renamed)))
  await writeFile(
    join(dir, 'model.safetensors'),
    Buffer.concat([prefix, Buffer.from(renamed), file.subarray(8 + headerBytes)]),
  )
  const { thinker_config: thinker, ...outer } = JSON.parse(
    await readFile(join(fixture, 'config.json'), 'utf8'),
  )
  const { encoder_attention_heads: heads, ...audio } = thinker.audio_config
  const { rope_theta: theta, rope_scaling: _, ...text } = thinker.text_config
  const config = {
    ...outer,
    audio_config: { ...audio, num_attention_heads: heads },
    text_config: {
      ...text,
      model_type: 'qwen3',
      rope_parameters: { rope_type: 'default', rope_theta: theta },
    },
    audio_token_id: thinker.audio_token_id,
  }
  await writeFile(join(dir, 'config.json'), JSON.stringify(config))
}

describe.each([
  { naming: 'official', device: 'cpu', quantization: 'none', tolerance: 1e-3 },
  { naming: 'native', device: 'cpu', quantization: 'none', tolerance: 1e-3 },
  // Graphs that a GPU gets, computed by the processor; that of float16 needs a GPU (test/engine/software-vulkan.test.ts).
  { naming: 'official', device: 'gpu', quantization: 'none', tolerance: 1e-3 },
  { naming: 'official', device: 'cuda', quantization: 'none', tolerance: 1e-3 },
  { naming: 'official', device: 'cuda', quantization: 'fp16', tolerance: 0.02 },
] as const)('$naming tensor names, $quantization for a $device', (variant) => {
  const { naming, device, quantization, tolerance } = variant
  let scratch: string
  let checkpoint: Checkpoint
  let tokenizer: TextTokenizer
  let model: PreparationModel

  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'asr-fidelity-'))
    const modelDir = naming === 'official' ? fixture : join(scratch, 'model')
    if (naming === 'native') await writeNativeCopy(modelDir)
    const compiled = await compileModel({
      modelDir,
      cacheDir: join(scratch, 'cache'),
      quantization,
      device,
    })
    checkpoint = await Checkpoint.open(modelDir)
    tokenizer = await TextTokenizer.load(modelDir)
    const { text, audio } = checkpoint.config
    const encoder = await ort.InferenceSession.create(compiled.encoderPath)
    const decoder = await ort.InferenceSession.create(compiled.decoderPath)
    const { embeddings, head } = tokenTables(checkpoint)
    model = {
      mel: new LogMelExtractor(),
      encoder: new EncoderRunner(encoder, text.hidden, audio.windowTokens),
      decoder:
        device === 'cpu'
          ? new DecoderRunner(decoder, text, head)
          : device === 'cuda'
            ? new LoopDecoder(decoder, text, compiled.precision, eos)
            : new DeviceDecoder(decoder, text, await OnnxCacheDevice.create(text, compiled.precision, {})),
      embeddings,
      hidden: text.hidden,
    }
  })

  afterAll(async () => {
    await checkpoint.close()
    await rm(scratch, { recursive: true })
  })

  async function featuresOf(mel: LogMel, windowsAtOnce: number): Promise<Float32Array> {
    const parts: number[] = []
    for (let window = 0; window < model.encoder.windowCount(mel); window += windowsAtOnce) {
      parts.push(...(await model.encoder.encode(mel, window, windowsAtOnce)))
    }
    return Float32Array.from(parts)
  }

  describe.each(golden.clips)('$name', (clip) => {
    test('log-mel within 1e-4', async () => {
      const mel = await model.mel.extract(await samplesOf(clip.name))
      expect(mel.frames).toBe(clip.frames)
      expect(maxDifference(mel.values, await floats(`${clip.name}.mel.f32`))).toBeLessThan(1e-4)
    })

    test.each([1, 8])('audio features within the tolerance, %d windows at once', async (windowsAtOnce) => {
      const mel = await model.mel.extract(await samplesOf(clip.name))
      const features = await featuresOf(mel, windowsAtOnce)
      expect(maxDifference(features, await floats(`${clip.name}.audio_features.f32`))).toBeLessThan(tolerance)
    })

    test.each(clip.cases)('greedy tokens, context "$context", language $language', async (golden) => {
      const prompt = buildPrompt(tokenizer, golden.context, golden.language)
      const audio = Array.from({ length: clip.audio_tokens }, () => audioPad)
      expect([...prompt.before, ...audio, ...prompt.after]).toEqual(golden.prompt_ids)

      const request = {
        id: 0,
        samples: await samplesOf(clip.name),
        ...prompt,
        maxNewTokens: 24,
        temperature: 1,
      }
      // In small steps, as beside running rows, so that the cache takes part in the prefill too.
      const steps = prepareRow(model, request, () => false)
      let step = await steps.next()
      while (!step.done) step = await steps.next()
      const { cache, first } = step.value
      for (const [i, id] of golden.first_logits_top8.ids.entries()) {
        expect(Math.abs(first.logits![id]! - golden.first_logits_top8.values[i]!)).toBeLessThan(tolerance)
      }
      if (golden.min_top2_gap <= tolerance) return // another order of float additions may pick the other token
      expect(await greedy(cache, first.tokens[0]!)).toEqual(golden.greedy_tokens)
    })
  })

  async function greedy(cache: SequenceCache, firstToken: number): Promise<number[]> {
    const tokens = [firstToken]
    while (tokens.length < 24 && !eos.includes(tokens.at(-1)!)) {
      const embeds = model.embeddings.rows([tokens.at(-1)!])
      const { decoder } = model
      const chosen = decoder.steps
        ? await decoder.steps(cache, embeds, [24 - tokens.length], 7)
        : [await decoder.step(cache, embeds, 1, false)]
      tokens.push(...chosen.map((output) => output.tokens[0]!))
    }
    return tokens
  }
})
