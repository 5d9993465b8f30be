import type { ModelConfig } from '../checkpoint/model-config.js'
import { addConvolution, convolvedSize, type Convolution, type ImageSize } from './convolution.js'
import type { GraphBuilder } from './graph-builder.js'
import { geluLowest, type RowFacts } from './integer-product.js'
import { linear, type LinearFormat } from './linear.js'

/** Mel frames of one chunk, and the tokens that the three stride-2 convolutions leave of them. */
export const chunkFrames = 100
export const chunkTokens = 13

const tokens: RowFacts = { group: 'tokens' }

/**
 * Audio encoder and projector.
 *
 * Inputs: `mel [chunks, 1, 128, 100]`; `token_index [windows, tokens]` picks rows of the flattened
 * `[chunks · 13]` token list for each attention window; `mask [windows, 1, 1 or tokens, tokens]` is added to the
 * scores.
 * Output: `features [windows · tokens, hidden]`. Chunks are independent until attention and windows of each
 * other, so chunks and windows of several recordings share a run.
 */
export async function buildEncoder(
  graph: GraphBuilder,
  { audio, text }: ModelConfig,
  format: LinearFormat,
): Promise<void> {
  const d = audio.hidden
  const tower = 'thinker.audio_tower'
  const project = (x: string, name: string, rows: number, columns: number, facts: RowFacts = tokens) =>
    linear(graph, { values: x }, { tensors: [tensorOf(name, rows)], columns, format }, facts)
  const afterGelu = { ...tokens, lowest: geluLowest }
  const layerNorm = async (x: string, name: string) =>
    graph.node(
      'LayerNormalization',
      [x, await graph.weight(`${name}.weight`, [d]), await graph.weight(`${name}.bias`, [d])],
      { axis: -1n, epsilon: 1e-5 },
    )

  const mel = graph.floatInput('mel', ['chunks', 1, audio.melBins, chunkFrames])
  const tokenIndex = graph.input('token_index', 'int64', ['windows', 'tokens'])
  const mask = graph.floatInput('mask', ['windows', 1, 'queries', 'tokens'])

  let size: ImageSize = { height: audio.melBins, width: chunkFrames }
  const convolutions = [1, audio.convChannels, audio.convChannels].map((inChannels, layer): Convolution => {
    const input = size
    size = convolvedSize(size)
    return { name: `${tower}.conv2d${layer + 1}`, ...input, inChannels, outChannels: audio.convChannels }
  })
  const columns = audio.convChannels * size.height
  /** Of images `[images, 128, 100]` their tokens `[images · 13, columns]`. */
  const convolved = async (images: string) => {
    let x = images
    for (const convolution of convolutions)
      x = graph.node('Gelu', [await addConvolution(graph, x, convolution, format)])
    return graph.reshape(graph.transpose(x, 0, 2, 3, 1), -1, columns)
  }
  // What becomes of one chunk stays in the processor's cache; of all together, some 12 MB a second of sound, it does not.
  let x =
    format === 'int8'
      ? await graph.scan(mel, { type: 'float', dims: [1, audio.melBins, chunkFrames] }, async (chunk) => ({
          name: await convolved(chunk),
          type: 'float',
          dims: [chunkTokens, columns],
        }))
      : await convolved(graph.reshape(mel, -1, audio.melBins, chunkFrames))
  x = await linear(
    graph,
    { values: graph.reshape(x, -1, columns) },
    { tensors: [{ name: `${tower}.conv_out.weight`, rows: d }], columns, format },
    { group: 'chunk tokens', lowest: geluLowest },
  )
  x = graph.reshape(x, -1, chunkTokens, d)
  x = graph.node('Add', [x, graph.floats(sinusoidalPositions(chunkTokens, d), [chunkTokens, d])])
  x = graph.reshape(x, -1, d)
  x = graph.node('Gather', [x, graph.reshape(tokenIndex, -1)], { axis: 0n }) // [windows · tokens, d]
  const windows = graph.node('Shape', [tokenIndex])

  for (let layer = 0; layer < audio.layers; layer++) {
    const prefix = `${tower}.layers.${layer}`
    const normed = await layerNorm(x, `${prefix}.self_attn_layer_norm`)
    const qkv = ['q_proj', 'k_proj', 'v_proj'].map((part) => tensorOf(`${prefix}.self_attn.${part}`, d))
    const projected = await linear(graph, { values: normed }, { tensors: qkv, columns: d, format }, tokens)
    const attended = attention(graph, projected, windows, mask, d, audio.heads)
    x = graph.node('Add', [x, await project(attended, `${prefix}.self_attn.out_proj`, d, d)])
    let h = await layerNorm(x, `${prefix}.final_layer_norm`)
    h = graph.node('Gelu', [await project(h, `${prefix}.fc1`, audio.ffn, d)])
    x = graph.node('Add', [x, await project(h, `${prefix}.fc2`, d, audio.ffn, afterGelu)])
  }
  x = await layerNorm(x, `${tower}.ln_post`)
  x = graph.node('Gelu', [await project(x, `${tower}.proj1`, d, d)])
  x = await project(x, `${tower}.proj2`, text.hidden, d, afterGelu)
  graph.floatOutput(x, 'features', ['rows', text.hidden])
}

/** Of queries, keys and values side by side, `[windows · tokens, 3 · d]`. */
function attention(
  graph: GraphBuilder,
  qkv: string,
  windows: string,
  mask: string,
  d: number,
  heads: number,
): string {
  const headDim = d / heads
  const shape = graph.once('heads of the windows', () =>
    graph.node('Concat', [windows, graph.ints(heads, headDim)], { axis: 0n }),
  )
  const parts = graph.nodes('Split', [qkv, graph.ints(d, d, d)], { axis: -1n }, 3)
  const [q, k, v] = parts.map((part) => graph.transpose(graph.node('Reshape', [part, shape]), 0, 2, 1, 3))
  const scores = graph.scores(q as string, k as string, headDim ** -0.5)
  const weights = graph.node('Softmax', [graph.node('Add', [scores, mask])], { axis: -1n })
  const mixed = graph.node('MatMul', [weights, v as string])
  return graph.reshape(graph.transpose(mixed, 0, 2, 1, 3), -1, d)
}

function tensorOf(name: string, rows: number) {
  return { name: `${name}.weight`, rows, bias: `${name}.bias` }
}

/** Whisper's table: sines then cosines, time scales from 1 to 10,000. Positions restart in every chunk. */
function sinusoidalPositions(positions: number, d: number): Float32Array {
  const table = new Float32Array(positions * d)
  const half = d / 2
  const increment = Math.log(10_000) / (half - 1)
  for (let position = 0; position < positions; position++) {
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(position * Math.fround(Math.exp(-Math.fround(increment) * i)))
      table[position * d + i] = Math.sin(angle)
      table[position * d + half + i] = Math.cos(angle)
    }
  }
  return table
}
