/**
 * Writes a checkpoint of the official format at the full size of a released model, with random weights: speed does not
 * depend on their values. `node bench/engine/random-checkpoint.mjs 0.6B|1.7B FOLDER`
 */
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const sizes = {
  '0.6B': { enc: { layers: 18, d: 896, heads: 14, ffn: 3584 }, dec: { hidden: 1024, ffn: 3072 } },
  '1.7B': { enc: { layers: 24, d: 1024, heads: 16, ffn: 4096 }, dec: { hidden: 2048, ffn: 6144 } },
}
const vocab = 151_936
const special = {
  '<|endoftext|>': 151643,
  '<|im_start|>': 151644,
  '<|im_end|>': 151645,
  '<|audio_start|>': 151669,
  '<|audio_end|>': 151670,
  '<|audio_pad|>': 151676,
  '<asr_text>': 151704,
}

export function writeRandomCheckpoint(size, dir) {
  const { enc, dec } = sizes[size] ?? fail(`unknown size ${size}; one of ${Object.keys(sizes)}`)
  mkdirSync(dir, { recursive: true })
  const tensors = shapes(enc, dec)
  let offset = 0
  const header = {}
  for (const [name, shape] of tensors) {
    const bytes = 2 * shape.reduce((a, b) => a * b, 1)
    header[name] = { dtype: 'BF16', shape, data_offsets: [offset, offset + bytes] }
    offset += bytes
  }
  const json = Buffer.from(JSON.stringify(header))
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(BigInt(json.length))
  const file = openSync(join(dir, 'model.safetensors'), 'w')
  writeSync(file, prefix)
  writeSync(file, json)
  const noise = noiseBlock()
  const ones = Buffer.alloc(2 * 8192)
  for (let i = 0; i < 8192; i++) ones.writeUInt16LE(0x3f80, 2 * i)
  for (const [index, [name, shape]] of tensors.entries()) {
    let left = 2 * shape.reduce((a, b) => a * b, 1)
    const source = /norm\.weight$|ln_post\.weight$/.test(name) ? ones : noise
    // Another start in each tensor: equal layers would make the answer repeat one token.
    let at = source === noise ? (2 * 7_919 * (index + 1) * 101) % noise.length : 0
    while (left > 0) {
      left -= writeSync(file, source, at, Math.min(left, source.length - at))
      at = 0
    }
  }
  closeSync(file)
  writeConfigs(dir, enc, dec)
  return dir
}

function shapes(enc, dec) {
  const list = []
  const tower = 'thinker.audio_tower'
  const withBias = (name, rows, columns) =>
    list.push([`${name}.weight`, [rows, columns]], [`${name}.bias`, [rows]])
  const norm = (name, d) => list.push([`${name}.weight`, [d]], [`${name}.bias`, [d]])
  for (const [i, channels] of [1, 480, 480].entries()) {
    list.push(
      [`${tower}.conv2d${i + 1}.weight`, [480, channels, 3, 3]],
      [`${tower}.conv2d${i + 1}.bias`, [480]],
    )
  }
  list.push([`${tower}.conv_out.weight`, [enc.d, 7680]])
  for (let i = 0; i < enc.layers; i++) {
    const at = `${tower}.layers.${i}`
    for (const part of ['q_proj', 'k_proj', 'v_proj', 'out_proj'])
      withBias(`${at}.self_attn.${part}`, enc.d, enc.d)
    norm(`${at}.self_attn_layer_norm`, enc.d)
    withBias(`${at}.fc1`, enc.ffn, enc.d)
    withBias(`${at}.fc2`, enc.d, enc.ffn)
    norm(`${at}.final_layer_norm`, enc.d)
  }
  norm(`${tower}.ln_post`, enc.d)
  withBias(`${tower}.proj1`, enc.d, enc.d)
  withBias(`${tower}.proj2`, dec.hidden, enc.d)
  list.push(['thinker.model.embed_tokens.weight', [vocab, dec.hidden]])
  for (let i = 0; i < 28; i++) {
    const at = `thinker.model.layers.${i}`
    list.push(
      [`${at}.input_layernorm.weight`, [dec.hidden]],
      [`${at}.post_attention_layernorm.weight`, [dec.hidden]],
    )
    list.push(
      [`${at}.self_attn.q_proj.weight`, [2048, dec.hidden]],
      [`${at}.self_attn.k_proj.weight`, [1024, dec.hidden]],
    )
    list.push(
      [`${at}.self_attn.v_proj.weight`, [1024, dec.hidden]],
      [`${at}.self_attn.o_proj.weight`, [dec.hidden, 2048]],
    )
    list.push([`${at}.self_attn.q_norm.weight`, [128]], [`${at}.self_attn.k_norm.weight`, [128]])
    list.push(
      [`${at}.mlp.gate_proj.weight`, [dec.ffn, dec.hidden]],
      [`${at}.mlp.up_proj.weight`, [dec.ffn, dec.hidden]],
    )
    list.push([`${at}.mlp.down_proj.weight`, [dec.hidden, dec.ffn]])
  }
  list.push(['thinker.model.norm.weight', [dec.hidden]])
  return list
}

/** 16 MB of bf16 values, uniform in ±0.2: strong enough that the answer does not get stuck on one token. */
function noiseBlock() {
  const values = new Uint16Array(2 ** 23)
  const float = new Float32Array(1)
  const bits = new Uint32Array(float.buffer)
  let state = 1
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    float[0] = (state / 2 ** 32 - 0.5) * 0.4
    values[i] = bits[0] >>> 16
  }
  return Buffer.from(values.buffer)
}

function writeConfigs(dir, enc, dec) {
  const json = (name, value) => writeFileSync(join(dir, name), JSON.stringify(value))
  json('config.json', {
    architectures: ['Qwen3ASRForConditionalGeneration'],
    model_type: 'qwen3_asr',
    support_languages: ['English', 'Chinese'],
    thinker_config: {
      audio_config: {
        model_type: 'qwen3_asr_audio_encoder',
        activation_function: 'gelu',
        num_mel_bins: 128,
        d_model: enc.d,
        encoder_layers: enc.layers,
        encoder_attention_heads: enc.heads,
        encoder_ffn_dim: enc.ffn,
        output_dim: dec.hidden,
        downsample_hidden_size: 480,
        n_window: 50,
        n_window_infer: 800,
        conv_chunksize: 500,
      },
      text_config: {
        model_type: 'qwen3_asr_text',
        hidden_act: 'silu',
        rms_norm_eps: 1e-6,
        rope_theta: 1e6,
        vocab_size: vocab,
        hidden_size: dec.hidden,
        intermediate_size: dec.ffn,
        num_hidden_layers: 28,
        num_attention_heads: 16,
        num_key_value_heads: 8,
        head_dim: 128,
        max_position_embeddings: 65536,
        tie_word_embeddings: true,
      },
      audio_token_id: special['<|audio_pad|>'],
      audio_start_token_id: special['<|audio_start|>'],
      audio_end_token_id: special['<|audio_end|>'],
      dtype: 'bfloat16',
    },
  })
  json('generation_config.json', { eos_token_id: [151643, 151645], max_new_tokens: 512 })
  const known = Object.keys(JSON.parse(readDemo('vocab.json')))
  const entries = known.slice(0, 151_643).map((token, id) => [token, id])
  for (let id = entries.length; id < 151_643; id++) entries.push([`fill${id}`, id])
  json('vocab.json', Object.fromEntries(entries))
  writeFileSync(join(dir, 'merges.txt'), readDemo('merges.txt'))
  const added = Object.entries(special).map(([content, id]) => [
    id,
    { content, special: content !== '<asr_text>' },
  ])
  json('tokenizer_config.json', {
    added_tokens_decoder: Object.fromEntries(added),
    tokenizer_class: 'Qwen2Tokenizer',
  })
}

function readDemo(name) {
  return readFileSync(fileURLToPath(new URL(`../../models/demo/${name}`, import.meta.url)), 'utf8')
}

function fail(message) {
  throw new Error(message)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [size, dir] = process.argv.slice(2)
  if (!size || !dir) fail('usage: random-checkpoint.mjs 0.6B|1.7B FOLDER')
  console.log(`written: ${writeRandomCheckpoint(size, dir)}`)
}
