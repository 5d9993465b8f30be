import type { Checkpoint } from '../checkpoint/checkpoint.js'
import type { ModelConfig } from '../checkpoint/model-config.js'
import type { CachedAttention } from './cached-attention.js'
import { cachedAttention, type CacheFormat } from './decoder-attention.js'
import type { GraphBuilder } from './graph-builder.js'
import type { RowFacts } from './integer-product.js'
import { headTensor } from '../checkpoint/tensor-names.js'
import { linear, scaled, unscaledLinear, type LinearFormat, type LinearWeight, type Rows } from './linear.js'

const maxSequenceTokens = 16_384

/** Longest sequence, prompt and answer together, that the rotary tables cover. */
export function sequenceTokens({ maxPositions }: Pick<ModelConfig['text'], 'maxPositions'>): number {
  return Math.min(maxSequenceTokens, maxPositions)
}

/** Among so many tokens by a head at 4 bits the most likely one is looked for. */
const candidateCount = 16

export interface DecoderFormats {
  decoder: LinearFormat
  head: LinearFormat
  cache: CacheFormat
}

/** Tokens that a layer computes: all of them, or in the last layer the last of each row, whose successor is wanted. */
interface Tokens extends RowFacts {
  /** `[2]`: batch and tokens. */
  shape: string
  positions: string
  mask: string
}

/**
 * Qwen3 decoder: one graph for prefill and decode.
 *
 * Inputs: `embeds [batch, tokens, hidden]`; `positions [batch, tokens]`; `mask [batch, 1, 1, tokens, past + tokens]`
 * added to the scores; `last [batch, 1]`, the index of the token whose successor is wanted; keys and values of the past.
 * Outputs: `token [batch]`, `logprob [batch]`, `logits [batch, vocab]`; keys and values (decoder-attention.ts). With a head
 * at 4 bits the host chooses (exact-choice.ts), and instead of `token` there are `candidates [batch, n]`, by falling
 * `score [batch, n]`, and `state [batch, hidden]`, which the head multiplied; `logprob` is that of the first candidate.
 */
export async function buildDecoder(
  graph: GraphBuilder,
  checkpoint: Checkpoint,
  formats: DecoderFormats,
): Promise<void> {
  const { text } = checkpoint.config
  const embeds = graph.floatInput('embeds', ['batch', 'tokens', text.hidden])
  const positions = graph.input('positions', 'int64', ['batch', 'tokens'])
  const mask = graph.floatInput('mask', ['batch', 1, 1, 'tokens', 'all'])
  const last = graph.input('last', 'int64', ['batch', 1])
  const attention = cachedAttention[formats.cache](graph, text)
  const inputs = { embeds, positions, mask, last, attention }
  const { state, logits } = await decode(graph, checkpoint, formats, inputs)
  graph.floatOutput(logits, 'logits', ['batch', text.vocab])
  graph.floatOutput(bestLogprob(graph, logits), 'logprob', ['batch'])
  if (formats.head === 'int4') {
    const count = Math.min(candidateCount, text.vocab)
    const [score, candidates] = graph.nodes('TopK', [logits, graph.ints(count)], {}, 2) as [string, string]
    graph.output(candidates, 'candidates', 'int64', ['batch', count])
    graph.floatOutput(score, 'score', ['batch', count])
    graph.floatOutput(state, 'state', ['batch', text.hidden])
  } else graph.output(bestToken(graph, logits), 'token', 'int64', ['batch'])
  attention.finish()
}

export interface DecoderInputs {
  embeds: string
  positions: string
  mask: string
  last: string
  attention: Pick<CachedAttention, 'attend' | 'joinsGroups'>
}

/** All layers and the head, in the graph's precision: `logits [batch, vocab]` of `state [batch, hidden]`. */
export async function decode(
  graph: GraphBuilder,
  checkpoint: Checkpoint,
  { decoder: format, head: headFormat }: Omit<DecoderFormats, 'cache'>,
  { embeds, positions, mask, last, attention }: DecoderInputs,
): Promise<{ state: string; logits: string }> {
  const { text } = checkpoint.config
  const { hidden, heads, kvHeads, headDim } = text
  const rotary = rotaryTables(graph, text)

  const pick = (value: string) => graph.node('GatherND', [value, last], { batch_dims: 1n })
  const all: Tokens = { group: 'tokens', shape: graph.node('Shape', [positions]), positions, mask }
  const lastPosition = graph.node('Unsqueeze', [pick(positions), graph.ints(1)])
  const wanted: Tokens = {
    group: 'wanted tokens',
    shape: graph.node('Shape', [lastPosition]),
    positions: lastPosition,
    mask: graph.node('Unsqueeze', [
      pick(graph.node('Squeeze', [mask, graph.ints(1, 2)])),
      graph.ints(1, 2, 3),
    ]),
  }
  const rowShape = graph.node('Concat', [all.shape, graph.ints(hidden)], { axis: 0n })
  const pickRows = (value: string) => pick(graph.node('Reshape', [value, rowShape]))

  const weights = (tensors: LinearWeight['tensors'], columns: number) => ({ tensors, columns, format })
  const rmsNorm = rmsNormOf(graph, text)

  /** `sum = x + added`, and its norm: two operations take half the time of `SkipSimplifiedLayerNormalization`. */
  const addAndNorm = async (x: string, added: string, name: string) => {
    const sum = graph.node('Add', [x, added])
    return { normed: await rmsNorm(sum, name, hidden), sum }
  }

  /** `[batch · tokens, count · headDim]` to `[batch, tokens, count…, headDim]`. */
  const splitHeads = (value: string, { group, shape }: Tokens, ...counts: number[]) => {
    const dims = graph.once(`${counts.join(' ')} heads of ${group}`, () =>
      graph.node('Concat', [shape, graph.ints(...counts, headDim)], { axis: 0n }),
    )
    return graph.node('Reshape', [value, dims])
  }

  /** Heads first, each normalized, for which the scale of a row does not count, and turned. */
  const rotated = async (value: string, tokens: Tokens, norm: string, count: number, scale: number) => {
    const normed = await rmsNorm(splitHeads(value, tokens, count), norm, headDim, scale)
    const headFirst = graph.transpose(normed, 0, 2, 1, 3)
    return graph.node('RotaryEmbedding', [headFirst, tokens.positions, ...rotary], {})
  }

  const group = heads / kvHeads
  const grouped = (q: string, k: string, v: string) => {
    if (attention.joinsGroups) return { q: graph.reshape(q, 0, kvHeads, -1, headDim), k, v }
    const alone = (value: string) => graph.node('Unsqueeze', [value, graph.ints(2)])
    return { q: graph.reshape(q, 0, kvHeads, group, -1, headDim), k: alone(k), v: alone(v) }
  }
  const maskOf = ({ group: name, mask }: Tokens) => {
    if (!attention.joinsGroups) return mask
    return graph.once(`mask of ${name} of a group`, () => {
      const all = graph.node('Shape', [mask], { start: 4n })
      const shape = graph.node('Concat', [graph.ints(0, 1, -1), all], { axis: 0n })
      const repeated = graph.node('Expand', [mask, graph.ints(1, 1, group, 1, 1)])
      return graph.node('Reshape', [repeated, shape])
    })
  }

  let x = graph.reshape(embeds, -1, hidden)
  /** What the last layer adds to x. */
  let added = ''
  for (let layer = 0; layer < text.layers; layer++) {
    const prefix = `thinker.model.layers.${layer}`
    const inputNorm = `${prefix}.input_layernorm.weight`
    const { normed, sum } = added
      ? await addAndNorm(x, added, inputNorm)
      : { normed: await rmsNorm(x, inputNorm, hidden), sum: x }
    const isLast = layer === text.layers - 1
    const tokens = isLast ? wanted : all
    // A product each, because splitting one of all would copy it; onnxruntime quantizes their input once.
    const project = async (input: string, facts: RowFacts, name: string, rows: number): Promise<Rows> => {
      const tensor = { name: `${prefix}.${name}_proj.weight`, rows }
      return unscaledLinear(graph, { values: input }, weights([tensor], hidden), facts)
    }
    const rawQ = await project(isLast ? pickRows(normed) : normed, tokens, 'self_attn.q', heads * headDim)
    const rawK = await project(normed, all, 'self_attn.k', kvHeads * headDim)
    const rawV = await project(normed, all, 'self_attn.v', kvHeads * headDim)
    const norms = `${prefix}.self_attn`
    // Query heads stand beside the key head that they share, which is never repeated.
    const turned = await rotated(rawQ.values, tokens, `${norms}.q_norm.weight`, heads, headDim ** -0.5)
    const turnedK = await rotated(rawK.values, all, `${norms}.k_norm.weight`, kvHeads, 1)
    const turnedV = graph.transpose(splitHeads(scaled(graph, rawV), all, kvHeads), 0, 2, 1, 3)
    const mixed = attention.attend({ layer, ...grouped(turned, turnedK, turnedV), mask: maskOf(tokens) })
    const joined = graph.reshape(mixed, 0, heads, -1, headDim)
    const attended = graph.reshape(graph.transpose(joined, 0, 2, 1, 3), -1, heads * headDim)
    const outProjection = [{ name: `${prefix}.self_attn.o_proj.weight`, rows: hidden }]
    const output = await linear(graph, { values: attended }, weights(outProjection, heads * headDim), tokens)
    const mlp = await addAndNorm(
      isLast ? pickRows(sum) : sum,
      output,
      `${prefix}.post_attention_layernorm.weight`,
    )
    const gate = scaled(graph, await project(mlp.normed, tokens, 'mlp.gate', text.ffn))
    const activated = graph.node('QuickGelu', [gate], { alpha: 1 })
    const up = await project(mlp.normed, tokens, 'mlp.up', text.ffn)
    // A row's scale may wait until the row is quantized anyway.
    const product = { ...up, values: graph.node('Mul', [activated, up.values]) }
    const down = [{ name: `${prefix}.mlp.down_proj.weight`, rows: hidden }]
    x = mlp.sum
    added = await linear(graph, product, weights(down, text.ffn), tokens)
  }

  const { normed: state } = await addAndNorm(x, added, 'thinker.model.norm.weight')
  const logits = await linear(
    graph,
    { values: state },
    { tensors: [{ name: headTensor(checkpoint), rows: text.vocab }], columns: hidden, format: headFormat },
    wanted,
  )
  return { state, logits }
}

/** Root mean square norm over the last `width` values, by the weights `name` times `scale`. */
export function rmsNormOf(graph: GraphBuilder, { rmsEps }: ModelConfig['text']) {
  return async (x: string, name: string, width: number, scale = 1): Promise<string> =>
    graph.node('SimplifiedLayerNormalization', [x, await graph.weight(name, [width], scale)], {
      axis: -1n,
      epsilon: rmsEps,
    })
}

/** `[batch]` */
export function bestToken(graph: GraphBuilder, logits: string): string {
  return graph.node('ArgMax', [logits], { axis: -1n, keepdims: 0n })
}

/** Natural log-probability of the most likely token, `[batch]`. */
export function bestLogprob(graph: GraphBuilder, logits: string): string {
  const probabilities = graph.node('Softmax', [logits], { axis: -1n })
  const best = graph.node('ReduceMax', [probabilities, graph.ints(-1)], { keepdims: 0n })
  return graph.node('Log', [best])
}

/** cos and sin of `position · theta^(-2i/headDim)`: plain NeoX rotary, to which the checkpoint's MRoPE reduces. */
export function rotaryTables(graph: GraphBuilder, text: ModelConfig['text']): [cos: string, sin: string] {
  const { headDim, ropeTheta } = text
  const positions = sequenceTokens(text)
  const half = headDim / 2
  const cos = new Float32Array(positions * half)
  const sin = new Float32Array(positions * half)
  for (let i = 0; i < half; i++) {
    const frequency = Math.fround(1 / Math.fround(ropeTheta ** ((2 * i) / headDim)))
    for (let position = 0; position < positions; position++) {
      const angle = Math.fround(position * frequency)
      cos[position * half + i] = Math.cos(angle)
      sin[position * half + i] = Math.sin(angle)
    }
  }
  const dims = [positions, half]
  return [graph.floats(cos, dims), graph.floats(sin, dims)]
}
