import type { Checkpoint } from '../checkpoint/checkpoint.js'
import { headTensor } from '../checkpoint/tensor-names.js'
import { bestLogprob, rmsNormOf, rotaryTables, type DecoderFormats } from './decoder-graph.js'
import type { GraphBuilder } from './graph-builder.js'
import { linear } from './linear.js'
import { pageDims, pagePrecision } from './page-graphs.js'

/**
 * Qwen3 decoder for WebGPU: keys and values stand in pages on the device, where a run changes them, and rows of different
 * lengths, prompts and steps alike, share a run without filling up. After vLLM (Kwon et al., 2023).
 *
 * Inputs: `embeds [tokens, hidden]`, those of each row after those of the one before; `facts [n]`: where rows begin and the
 * last one ends among the tokens (`[rows + 1]`), tokens of their past (`[rows]`), their pages (`[rows · most pages]`), where
 * the tokens are whose successors are wanted (`[wanted]`); `fact_sizes [4]`; `longest [2]`, most new tokens of a row and most
 * in all; `positions [1, tokens]`; `keys.i` and `values.i [pages, tokens, kvHeads, headDim]`.
 * Outputs: `choice [2, wanted]`, the most likely token and its natural log-probability; `logits [wanted, vocab]`.
 */
export async function buildPagedDecoder(
  graph: GraphBuilder,
  checkpoint: Checkpoint,
  { decoder: format, head: headFormat }: Pick<DecoderFormats, 'decoder' | 'head'>,
): Promise<void> {
  const { text } = checkpoint.config
  const { hidden, heads, kvHeads, headDim, ffn, vocab } = text
  const embeds = graph.floatInput('embeds', ['tokens', hidden])
  // One input and not four: each is a copy to the device of its own.
  const facts = graph.input('facts', 'int32', ['facts'])
  const sizes = graph.input('fact_sizes', 'int64', [4])
  const longest = graph.input('longest', 'int32', [2])
  const positions = graph.input('positions', 'int64', [1, 'tokens'])
  const [begins, past, pageList, last] = graph.nodes('Split', [facts, sizes], { axis: 0n }, 4) as Facts
  const rowCount = graph.node('Shape', [past])
  const tableShape = graph.node('Concat', [rowCount, graph.ints(-1)], { axis: 0n })
  const pageTable = graph.node('Reshape', [pageList, tableShape])
  const rotary = [positions, ...rotaryTables(graph, text)]

  const rmsNorm = rmsNormOf(graph, text)
  const addAndNorm = async (x: string, added: string, name: string) => {
    const inputs = [x, added, await graph.weight(name, [hidden])]
    const wanted = [true, false, false, true]
    const epsilon = { epsilon: text.rmsEps }
    const [normed, sum] = graph.someOutputs('SkipSimplifiedLayerNormalization', inputs, epsilon, wanted)
    return { normed: normed!, sum: sum! }
  }
  /** Products that share their input are one: on a device a further product costs more than its wider matrix. */
  const project = (x: string, prefix: string, parts: Record<string, number>, columns: number) => {
    const tensors = Object.entries(parts).map(([name, rows]) => ({ name: `${prefix}.${name}.weight`, rows }))
    return linear(graph, { values: x }, { tensors, columns, format }, { group: 'tokens' })
  }
  /** Each head normalized and turned. The attention would turn them too, but looks for the row of each value one after the other. */
  const rotated = async (x: string, name: string, count: number) => {
    const normed = await rmsNorm(graph.reshape(x, -1, count, headDim), name, headDim)
    const turned = graph.node('RotaryEmbedding', [graph.reshape(normed, 1, -1, count * headDim), ...rotary])
    return graph.reshape(turned, -1, count * headDim)
  }
  const wantedRows = (x: string) => graph.node('Gather', [x, last], { axis: 0n })

  let x = embeds
  /** What the last layer adds to x. */
  let added = ''
  for (let layer = 0; layer < text.layers; layer++) {
    const prefix = `thinker.model.layers.${layer}`
    const attention = `${prefix}.self_attn`
    const inputNorm = `${prefix}.input_layernorm.weight`
    const { normed, sum } = added
      ? await addAndNorm(x, added, inputNorm)
      : { normed: await rmsNorm(x, inputNorm, hidden), sum: x }
    const widths = { q_proj: heads * headDim, k_proj: kvHeads * headDim, v_proj: kvHeads * headDim }
    const qkv = await project(normed, attention, widths, hidden)
    const splits = graph.ints(...Object.values(widths))
    const [q, k, v] = graph.nodes('Split', [qkv, splits], { axis: -1n }, 3) as [string, string, string]
    const pages = ['keys', 'values'].map((name) =>
      graph.input(`${name}.${layer}`, pagePrecision, ['pages', ...pageDims(text)]),
    )
    const attended = graph.node(
      'PagedAttention',
      [
        await rotated(q, `${attention}.q_norm.weight`, heads),
        await rotated(k, `${attention}.k_norm.weight`, kvHeads),
        v,
        ...pages,
        begins,
        past,
        pageTable,
        ...unused,
        longest,
      ],
      { num_heads: BigInt(heads), kv_num_heads: BigInt(kvHeads), scale: headDim ** -0.5 },
    )
    const output = await project(attended, attention, { o_proj: hidden }, heads * headDim)
    const isLast = layer === text.layers - 1
    const mlp = await addAndNorm(
      isLast ? wantedRows(sum) : sum,
      isLast ? wantedRows(output) : output,
      `${prefix}.post_attention_layernorm.weight`,
    )
    const both = await project(mlp.normed, `${prefix}.mlp`, { gate_proj: ffn, up_proj: ffn }, hidden)
    const [gate, up] = graph.nodes('Split', [both, graph.ints(ffn, ffn)], { axis: -1n }, 2)
    const product = graph.node('Mul', [graph.node('QuickGelu', [gate!], { alpha: 1 }), up!])
    x = mlp.sum
    added = await project(product, `${prefix}.mlp`, { down_proj: hidden }, ffn)
  }

  const { normed: state } = await addAndNorm(x, added, 'thinker.model.norm.weight')
  const head = {
    tensors: [{ name: headTensor(checkpoint), rows: vocab }],
    columns: hidden,
    format: headFormat,
  }
  const logits = await linear(graph, { values: state }, head, { group: 'wanted tokens' })
  graph.floatOutput(logits, 'logits', ['wanted', vocab])
  const logprob = graph.cast(bestLogprob(graph, logits), 'float')
  const lines = [firstOfBest(graph, logits, vocab), logprob].map((value) =>
    graph.node('Unsqueeze', [value, graph.ints(0)]),
  )
  graph.output(graph.node('Concat', lines, { axis: 0n }), 'choice', 'float', [2, 'wanted'])
}

/** Before the lengths in the host's memory, without which each layer would fetch them from the device. */
const unused = Array.from({ length: 8 }, () => '')

type Facts = [begins: string, past: string, pageList: string, last: string]

/**
 * Index of the most likely token as float32, `[wanted]`; the first of several, as `ArgMax` has it, of which one thread would
 * search a row: 5 ms for 151,936 tokens on an H200.
 */
function firstOfBest(graph: GraphBuilder, logits: string, vocab: number): string {
  const best = graph.node('ReduceMax', [logits, graph.ints(-1)], { keepdims: 1n })
  const indices = graph.float32s(
    Float32Array.from({ length: vocab }, (_, index) => index),
    [vocab],
  )
  // Where nothing is equal (not a number) the last token is as good as any.
  const none = graph.float32s(Float32Array.of(vocab - 1), [])
  const candidates = graph.node('Where', [graph.node('Equal', [logits, best]), indices, none])
  return graph.node('ReduceMin', [candidates, graph.ints(-1)], { keepdims: 0n })
}
