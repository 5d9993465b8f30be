import { Operators } from './sherpa-operators.mjs'

const tower = 'thinker.audio_tower'
/** Mel frames that are convolved together, and what becomes of them. */
const chunkFrames = 100
const chunkTokens = 13
/** Added to scores that do not count. */
const excluded = -1e4

/** `conv_frontend.onnx`, float32 in every export: `input_features [batch, frames, 128]` to `conv_output`. */
export async function buildConvFrontend(graph, { audio }) {
  const ops = new Operators(graph, 'float')
  const mel = graph.input('input_features', 'float', ['batch', 'n_frames', audio.melBins])
  const padded = ops.node('Pad', [mel, endPadding(ops, ops.length(mel, 1), chunkFrames)])
  const chunks = graph.transpose(graph.reshape(padded, -1, chunkFrames, audio.melBins), 0, 2, 1)
  let x = ops.node('Unsqueeze', [chunks, graph.ints(1)])
  for (const [layer, inChannels] of [1, audio.convChannels, audio.convChannels].entries()) {
    const name = `${tower}.conv2d${layer + 1}`
    const kernel = await graph.weight(`${name}.weight`, [audio.convChannels, inChannels, 3, 3])
    const attributes = { kernel_shape: [3n, 3n], strides: [2n, 2n], pads: [1n, 1n, 1n, 1n] }
    const bias = await graph.weight(`${name}.bias`, [audio.convChannels])
    x = ops.gelu(ops.node('Conv', [x, kernel, bias], attributes))
  }
  const columns = audio.convChannels * Math.ceil(audio.melBins / 8)
  x = graph.reshape(graph.transpose(x, 0, 3, 1, 2), -1, chunkTokens, columns)
  x = await ops.linear(x, `${tower}.conv_out`, audio.hidden, columns)
  const dims = ops.concat([ops.length(mel, 0), graph.ints(-1, audio.hidden)])
  graph.output(ops.node('Reshape', [x, dims]), 'conv_output', 'float', [
    'batch',
    'n_audio_tokens',
    audio.hidden,
  ])
}

/** `encoder.onnx`: `conv_output` and which of its tokens count, to `audio_features`, in windows that do not see each other. */
export async function buildEncoder(graph, { audio, text }, weights) {
  const ops = new Operators(graph, weights)
  const d = audio.hidden
  const dims = ['batch', 'n_audio_tokens']
  const convolved = graph.input('input_features', 'float', [...dims, d])
  const mask = ops.floatOf(graph.input('feature_attention_mask', 'bool', dims))
  const masked = (x, counts) => ops.mul(x, ops.node('Unsqueeze', [counts, graph.ints(-1)]))

  const tokens = ops.length(convolved, 1)
  const scalar = (value) => ops.node('Squeeze', [value, graph.ints(0)])
  const places = ops.node('Range', [graph.int(0), scalar(tokens), graph.int(1)])
  const positions = await graph.initializer('positions', 'float', [chunkTokens, d], [sinusoidalPositions(d)])
  const inChunk = ops.node('Mod', [places, graph.int(chunkTokens)])
  const placed = ops.add(convolved, ops.node('Gather', [positions, inChunk], { axis: 0n }))
  let x = masked(placed, mask)
  const window = audio.windowTokens
  x = graph.reshape(ops.node('Pad', [x, endPadding(ops, tokens, window)]), -1, window, d)
  const maskPadding = ops.concat([graph.ints(0, 0, 0), missing(ops, tokens, window)])
  const counts = graph.reshape(ops.node('Pad', [mask, maskPadding]), -1, window)
  const keys = ops.node('Unsqueeze', [counts, graph.ints(1, 2)])
  const bias = ops.mul(ops.node('Sub', [graph.scalar(1), keys]), graph.scalar(excluded))

  const project = (value, name, rows, columns) => ops.linear(value, name, rows, columns, { bias: true })
  for (let layer = 0; layer < audio.layers; layer++) {
    const at = `${tower}.layers.${layer}`
    const normed = await ops.layerNorm(x, `${at}.self_attn_layer_norm`, d)
    const headsOf = async (part) => {
      const projected = await project(normed, `${at}.self_attn.${part}_proj`, d, d)
      return graph.transpose(graph.reshape(projected, 0, 0, audio.heads, d / audio.heads), 0, 2, 1, 3)
    }
    const [q, k, v] = [await headsOf('q'), await headsOf('k'), await headsOf('v')]
    const products = ops.node('MatMul', [q, graph.transpose(k, 0, 1, 3, 2)])
    const scores = ops.add(ops.mul(products, graph.scalar((d / audio.heads) ** -0.5)), bias)
    const mixed = ops.node('MatMul', [ops.node('Softmax', [scores], { axis: -1n }), v])
    const joined = graph.reshape(graph.transpose(mixed, 0, 2, 1, 3), 0, 0, d)
    x = ops.add(x, masked(await project(joined, `${at}.self_attn.out_proj`, d, d), counts))
    let h = await ops.layerNorm(x, `${at}.final_layer_norm`, d)
    h = ops.gelu(await project(h, `${at}.fc1`, audio.ffn, d))
    x = masked(ops.add(x, await project(h, `${at}.fc2`, d, audio.ffn)), counts)
  }
  const whole = ops.node('Reshape', [x, ops.concat([ops.length(mask, 0), graph.ints(-1, d)])])
  x = await ops.layerNorm(ops.slice(whole, graph.ints(0), tokens, 1), `${tower}.ln_post`, d)
  x = ops.gelu(await project(x, `${tower}.proj1`, d, d))
  x = masked(await project(x, `${tower}.proj2`, text.hidden, d), mask)
  graph.output(x, 'audio_features', 'float', [...dims, text.hidden])
}

/** What `length` lacks to a multiple. */
function missing(ops, length, multiple) {
  const of = ops.graph.ints(multiple)
  return ops.node('Mod', [ops.node('Sub', [of, ops.node('Mod', [length, of])]), of])
}

/** Pads of a `[batch, length, width]` that fill it up at its end. */
function endPadding(ops, length, multiple) {
  return ops.concat([ops.graph.ints(0, 0, 0, 0), missing(ops, length, multiple), ops.graph.ints(0)])
}

/** Whisper's table as far as a chunk reaches. */
function sinusoidalPositions(d) {
  const values = new Float32Array(chunkTokens * d)
  const half = d / 2
  for (let position = 0; position < chunkTokens; position++) {
    for (let i = 0; i < half; i++) {
      const angle = position * Math.exp((-Math.log(10_000) / (half - 1)) * i)
      values[position * d + i] = Math.sin(angle)
      values[position * d + half + i] = Math.cos(angle)
    }
  }
  return values
}
