import type { Checkpoint } from '../checkpoint/checkpoint.js'
import { deviceAttention, hostAttention, type CachedAttention } from './decoder-attention.js'
import type { GraphBuilder } from './graph-builder.js'
import { linear, type LinearFormat } from './linear.js'

/** Longest sequence, prompt and answer together, that the rotary tables cover. */
export const maxSequenceTokens = 16_384

/**
 * Qwen3 decoder: one graph for prefill and decode.
 *
 * Inputs: `embeds [batch, tokens, hidden]`; `positions [batch, tokens]`; `mask [batch, 1, 1, tokens, past + tokens]`
 * added to the scores; `last [batch, 1]`, the index of the token whose successor is wanted; keys and values of the past.
 * Outputs: `token [batch]`, `logprob [batch]`, `logits [batch, vocab]`; keys and values (decoder-attention.ts).
 */
export async function buildDecoder(
  graph: GraphBuilder,
  checkpoint: Checkpoint,
  format: LinearFormat,
  headFormat: LinearFormat,
): Promise<void> {
  const { text } = checkpoint.config
  const embeds = graph.floatInput('embeds', ['batch', 'tokens', text.hidden])
  const positions = graph.input('positions', 'int64', ['batch', 'tokens'])
  const mask = graph.floatInput('mask', ['batch', 1, 1, 'tokens', 'all'])
  const last = graph.input('last', 'int64', ['batch', 1])
  const attention =
    graph.target.device === 'cpu'
      ? hostAttention(graph, text, mask, positions)
      : deviceAttention(graph, text, mask)
  const inputs = { embeds, positions, last, attention }
  const { token, logprob, logits } = await decode(graph, checkpoint, format, headFormat, inputs)
  graph.output(token, 'token', 'int64', ['batch'])
  graph.floatOutput(logprob, 'logprob', ['batch'])
  graph.floatOutput(logits, 'logits', ['batch', text.vocab])
  attention.finish()
}

export interface DecoderInputs {
  embeds: string
  positions: string
  last: string
  attention: Pick<CachedAttention, 'attend'>
}

/** All layers and the head, in the graph's precision: `token [batch]`, `logprob [batch]`, `logits [batch, vocab]`. */
export async function decode(
  graph: GraphBuilder,
  checkpoint: Checkpoint,
  format: LinearFormat,
  headFormat: LinearFormat,
  { embeds, positions, last, attention }: DecoderInputs,
): Promise<{ token: string; logprob: string; logits: string }> {
  const { text } = checkpoint.config
  const { hidden, heads, kvHeads, headDim } = text
  const group = heads / kvHeads
  const project = (x: string, tensors: readonly { name: string; rows: number }[], columns: number) =>
    linear(graph, x, { tensors, columns, format })
  const rmsNorm = async (x: string, name: string, width: number, scale = 1) =>
    graph.node('SimplifiedLayerNormalization', [x, await graph.weight(name, [width], scale)], {
      axis: -1n,
      epsilon: text.rmsEps,
    })

  /** `sum = x + added`, and its norm. */
  const addAndNorm = async (x: string, added: string, name: string) => {
    const [normed, , , sum] = graph.nodes(
      'SkipSimplifiedLayerNormalization',
      [x, added, await graph.weight(name, [hidden])],
      { epsilon: text.rmsEps },
      4,
    ) as [string, string, string, string]
    return { normed, sum }
  }

  let x = embeds
  const [cos, sin] = rotaryTables(headDim, text.ropeTheta, Math.min(maxSequenceTokens, text.maxPositions))
  const rotary = { cos: graph.floats(...cos), sin: graph.floats(...sin) }

  /** What the last layer adds to x. */
  let added = ''
  for (let layer = 0; layer < text.layers; layer++) {
    const prefix = `thinker.model.layers.${layer}`
    const inputNorm = `${prefix}.input_layernorm.weight`
    const { normed, sum } = added
      ? await addAndNorm(x, added, inputNorm)
      : { normed: await rmsNorm(x, inputNorm, hidden), sum: x }
    const projected = await project(
      normed,
      [
        { name: `${prefix}.self_attn.q_proj.weight`, rows: heads * headDim },
        { name: `${prefix}.self_attn.k_proj.weight`, rows: kvHeads * headDim },
        { name: `${prefix}.self_attn.v_proj.weight`, rows: kvHeads * headDim },
      ],
      hidden,
    )
    const widths = graph.ints(heads * headDim, kvHeads * headDim, kvHeads * headDim)
    const [rawQ, rawK, rawV] = graph.nodes('Split', [projected, widths], { axis: -1n }, 3) as [
      string,
      string,
      string,
    ]
    const rotated = async (value: string, norm: string, count: number, scale: number) => {
      const split = graph.reshape(value, 0, 0, count, headDim)
      const scaled = await rmsNorm(split, `${prefix}.self_attn.${norm}.weight`, headDim, scale)
      const headFirst = graph.transpose(scaled, 0, 2, 1, 3)
      return graph.node('RotaryEmbedding', [headFirst, positions, rotary.cos, rotary.sin], {})
    }
    // Query heads stand beside the key head that they share, which is never repeated.
    const scaled = await rotated(rawQ, 'q_norm', heads, headDim ** -0.5)
    const q = graph.reshape(scaled, 0, kvHeads, group, -1, headDim)
    const k = graph.node('Unsqueeze', [await rotated(rawK, 'k_norm', kvHeads, 1), graph.ints(2)])
    const v = graph.transpose(graph.reshape(rawV, 0, 0, kvHeads, 1, headDim), 0, 2, 3, 1, 4)
    const mixed = attention.attend(layer, q, k, v)
    const joined = graph.reshape(mixed, 0, heads, -1, headDim)
    const attended = graph.reshape(graph.transpose(joined, 0, 2, 1, 3), 0, 0, heads * headDim)
    const output = await project(
      attended,
      [{ name: `${prefix}.self_attn.o_proj.weight`, rows: hidden }],
      heads * headDim,
    )
    const mlp = await addAndNorm(sum, output, `${prefix}.post_attention_layernorm.weight`)
    const gateUp = await project(
      mlp.normed,
      [
        { name: `${prefix}.mlp.gate_proj.weight`, rows: text.ffn },
        { name: `${prefix}.mlp.up_proj.weight`, rows: text.ffn },
      ],
      hidden,
    )
    const [gate, up] = graph.nodes('Split', [gateUp, graph.ints(text.ffn, text.ffn)], { axis: -1n }, 2) as [
      string,
      string,
    ]
    const activated = graph.node('Mul', [graph.node('QuickGelu', [gate], { alpha: 1 }), up])
    x = mlp.sum
    added = await project(activated, [{ name: `${prefix}.mlp.down_proj.weight`, rows: hidden }], text.ffn)
  }

  const picked = (value: string) => graph.node('GatherND', [value, last], { batch_dims: 1n }) // [batch, hidden]
  const { normed } = await addAndNorm(picked(x), picked(added), 'thinker.model.norm.weight')
  const logits = await linear(graph, normed, {
    tensors: [{ name: headTensor(checkpoint), rows: text.vocab }],
    columns: hidden,
    format: headFormat,
  })
  const token = graph.node('ArgMax', [logits], { axis: -1n, keepdims: 0n })
  const probabilities = graph.node('Softmax', [logits], { axis: -1n })
  const best = graph.node('ReduceMax', [probabilities, graph.ints(-1)], { keepdims: 0n })
  return { token, logprob: graph.node('Log', [best]), logits }
}

/** The head shares the token embeddings unless it has weights of its own. */
export function headTensor(checkpoint: Checkpoint): string {
  const own = 'thinker.lm_head.weight'
  return checkpoint.has(own) ? own : embeddingTensor
}

export const embeddingTensor = 'thinker.model.embed_tokens.weight'

/** cos and sin of `position · theta^(-2i/headDim)`: plain NeoX rotary, to which the checkpoint's MRoPE reduces. */
function rotaryTables(headDim: number, theta: number, positions: number) {
  const half = headDim / 2
  const cos = new Float32Array(positions * half)
  const sin = new Float32Array(positions * half)
  for (let i = 0; i < half; i++) {
    const frequency = Math.fround(1 / Math.fround(theta ** ((2 * i) / headDim)))
    for (let position = 0; position < positions; position++) {
      const angle = Math.fround(position * frequency)
      cos[position * half + i] = Math.cos(angle)
      sin[position * half + i] = Math.sin(angle)
    }
  }
  const dims = [positions, half]
  return [
    [cos, dims],
    [sin, dims],
  ] as const
}
