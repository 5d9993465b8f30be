import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { CheckpointError } from './checkpoint-error.js'

const count = z.int().positive()

const audioSchema = z
  .object({
    d_model: count,
    encoder_layers: count.optional(),
    num_hidden_layers: count.optional(),
    encoder_attention_heads: count.optional(),
    num_attention_heads: count.optional(),
    encoder_ffn_dim: count.optional(),
    intermediate_size: count.optional(),
    num_mel_bins: z.literal(128).default(128),
    downsample_hidden_size: count,
    n_window: z.literal(50).default(50),
    n_window_infer: count.default(800),
    output_dim: count.optional(),
    activation_function: z.literal('gelu').optional(),
  })
  .transform((audio, context) => {
    const layers = audio.encoder_layers ?? audio.num_hidden_layers
    const heads = audio.encoder_attention_heads ?? audio.num_attention_heads
    const ffn = audio.encoder_ffn_dim ?? audio.intermediate_size
    if (layers === undefined || heads === undefined || ffn === undefined) {
      context.addIssue({
        code: 'custom',
        message: 'needs encoder_layers, encoder_attention_heads and encoder_ffn_dim',
      })
      return z.NEVER
    }
    return {
      layers,
      heads,
      ffn,
      hidden: audio.d_model,
      convChannels: audio.downsample_hidden_size,
      melBins: audio.num_mel_bins,
      /** Tokens that attend to each other: 13 per 100-frame chunk. */
      windowTokens: 13 * Math.floor(audio.n_window_infer / (2 * audio.n_window)),
    }
  })

const textSchema = z
  .object({
    vocab_size: count,
    hidden_size: count,
    intermediate_size: count,
    num_hidden_layers: count,
    num_attention_heads: count,
    num_key_value_heads: count,
    head_dim: count.default(128),
    rms_norm_eps: z.number().positive().default(1e-6),
    rope_theta: z.number().positive().optional(),
    rope_parameters: z.object({ rope_theta: z.number().positive() }).partial().optional(),
    max_position_embeddings: count.default(65536),
    hidden_act: z.literal('silu').default('silu'),
  })
  .transform((text) => ({
    vocab: text.vocab_size,
    hidden: text.hidden_size,
    ffn: text.intermediate_size,
    layers: text.num_hidden_layers,
    heads: text.num_attention_heads,
    kvHeads: text.num_key_value_heads,
    headDim: text.head_dim,
    rmsEps: text.rms_norm_eps,
    // The released checkpoints say 1e6; the 5e6 in public configuration classes is only a class default.
    ropeTheta: text.rope_theta ?? text.rope_parameters?.rope_theta ?? 1e6,
    maxPositions: text.max_position_embeddings,
  }))

const innerSchema = z.object({
  audio_config: audioSchema,
  text_config: textSchema,
  audio_token_id: z.int().optional(),
})

const configSchema = z.object({
  model_type: z.literal('qwen3_asr'),
  support_languages: z.array(z.string()).default([]),
  thinker_config: z.unknown().optional(),
})

const generationSchema = z.object({
  eos_token_id: z.union([z.int(), z.array(z.int())]).optional(),
  max_new_tokens: count.optional(),
})

export interface ModelConfig {
  audio: z.output<typeof audioSchema>
  text: z.output<typeof textSchema>
  languages: readonly string[]
  eosTokenIds: readonly number[]
  maxNewTokens: number
}

/** Reads `config.json` (official `thinker_config` or transformers' flat form) and `generation_config.json`. */
export async function readModelConfig(modelDir: string): Promise<ModelConfig> {
  const json = await readJson(join(modelDir, 'config.json'))
  const modelType = (json as { model_type?: unknown }).model_type
  if (modelType !== 'qwen3_asr') {
    throw new CheckpointError(
      `config.json: model_type is ${JSON.stringify(modelType)}; this engine runs qwen3_asr`,
    )
  }
  const outer = check(configSchema, json, 'config.json')
  const inner = check(innerSchema, outer.thinker_config ?? json, 'config.json')
  const { heads, hidden } = inner.audio_config
  if (hidden % heads !== 0)
    throw new CheckpointError('config.json: d_model is not a multiple of encoder_attention_heads')
  const generationJson = await readJson(join(modelDir, 'generation_config.json')).catch((error: unknown) => {
    if ((error as { code?: unknown }).code === 'ENOENT') return {}
    throw error
  })
  const generation = check(generationSchema, generationJson, 'generation_config.json')
  return {
    audio: inner.audio_config,
    text: inner.text_config,
    languages: outer.support_languages,
    eosTokenIds: [generation.eos_token_id ?? []].flat(),
    maxNewTokens: generation.max_new_tokens ?? 512,
  }
}

async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8')
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new CheckpointError(`${path} is not JSON`, { cause: error })
  }
}

function check<T extends z.ZodType>(schema: T, value: unknown, file: string): z.output<T> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issues = result.error.issues.map((issue) => `${issue.path.join('.') || '(root)'}: ${issue.message}`)
  throw new CheckpointError(`${file}: ${issues.join('; ')}`)
}
