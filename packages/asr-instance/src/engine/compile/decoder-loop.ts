import type { Checkpoint } from '../checkpoint/checkpoint.js'
import type { CachedAttention } from './cached-attention.js'
import { embeddingTensor, headTensor } from '../checkpoint/tensor-names.js'
import { bestLogprob, bestToken, decode, type DecoderFormats } from './decoder-graph.js'
import type { GraphBuilder } from './graph-builder.js'
import { matrixName, type LinearFormat } from './linear.js'
import type { OnnxValue } from './onnx-model.js'

/**
 * Qwen3 decoder for a device whose outputs cannot stay there (CUDA in Node): several greedy steps are one run, so that
 * keys and values of the past cross the bus once for all of them, and only the new ones come back. The body of an ONNX
 * `Loop` is a step; of a prompt the first and only step has many tokens.
 *
 * Inputs as of the decoder (decoder-graph.ts), `mask` with one more, masked column behind the past; past keys and values
 * as in the host's memory, at least one column; `steps []`, at most so many; `most [batch]`, tokens that a row may still
 * have; `eos [n]`. The loop ends when no row goes on.
 * Outputs: `token` and `logprob [steps, batch]`; `logits [batch, vocab]` of the last step; `new_k` and `new_v
 * [layers · batch, kvHeads, 1, tokens + steps - 1, headDim]`. What a row has after its end is of no meaning.
 */
export async function buildDecoderLoop(
  graph: GraphBuilder,
  checkpoint: Checkpoint,
  formats: DecoderFormats,
): Promise<void> {
  const { layers, kvHeads, headDim, hidden, vocab } = checkpoint.config.text
  const { precision } = graph.target
  const steps = graph.input('steps', 'int64', [])
  const eos = graph.input('eos', 'int64', ['ends'])
  const most = graph.input('most', 'int64', ['batch'])
  const pastDims = ['batch', kvHeads, 1, 'past', headDim]
  const pasts = cacheNames(layers).map((name) => graph.input(`past_${name}`, precision, pastDims))
  const embeddings = await tokenEmbeddings(graph, checkpoint, formats.head)
  const carried: { initial: string; value: OnnxValue }[] = []
  const carry = (initial: string, type: OnnxValue['type'], ...dims: OnnxValue['dims']): string => {
    const name = `loop_${carried.length}`
    carried.push({ initial, value: { name, type, dims } })
    return name
  }
  const embeds = carry(
    graph.floatInput('embeds', ['batch', 'tokens', hidden]),
    precision,
    'batch',
    'step_tokens',
    hidden,
  )
  const positions = carry(
    graph.input('positions', 'int64', ['batch', 'tokens']),
    'int64',
    'batch',
    'step_tokens',
  )
  const mask = carry(
    graph.floatInput('mask', ['batch', 1, 1, 'tokens', 'all']),
    precision,
    'batch',
    1,
    1,
    'step_tokens',
    'step_all',
  )
  const last = carry(graph.input('last', 'int64', ['batch', 1]), 'int64', 'batch', 1)
  const alive = carry(graph.cast(most, 'bool'), 'bool', 'batch')
  carry(graph.floats(new Float32Array(1), [1, 1]), precision, 'any', 'vocab')
  // Not every device knows empty tensors: the new ones begin with a column that the mask hides.
  const news = pasts.map((past) =>
    carry(slice(graph, past, 3, 0, 1), precision, 'batch', kvHeads, 1, 'new', headDim),
  )

  const grown: string[] = []
  let spans = ''
  const attention: Pick<CachedAttention, 'attend'> = {
    attend({ layer, q, k, v, mask: columns }) {
      const [pastK, pastV] = [pasts[2 * layer]!, pasts[2 * layer + 1]!]
      const keys = graph.node('Concat', [news[2 * layer]!, k], { axis: 3n })
      const values = graph.node('Concat', [news[2 * layer + 1]!, v], { axis: 3n })
      grown.push(keys, values)
      // The past is never copied: scores against it and against the new are computed apart.
      const scores = [pastK, keys].map((side) =>
        graph.node('FusedMatMul', [q, side], { transB: 1n, alpha: 1 }),
      )
      const joined = graph.node('Add', [graph.node('Concat', scores, { axis: -1n }), columns])
      const weights = graph.node('Softmax', [joined], { axis: -1n })
      spans ||= graph.node(
        'Concat',
        [pastK, keys].map((side) => graph.node('Shape', [side], { start: 3n, end: 4n })),
        { axis: 0n },
      )
      const split = graph.nodes('Split', [weights, spans], { axis: -1n }, 2) as [string, string]
      return graph.node('Add', [
        graph.node('MatMul', [split[0], pastV]),
        graph.node('MatMul', [split[1], values]),
      ])
    },
  }

  const iteration: OnnxValue = { name: 'iteration', type: 'int64', dims: [] }
  const goesOn: OnnxValue = { name: 'goes_on', type: 'bool', dims: [] }
  const body = await graph.body([iteration, goesOn, ...carried.map(({ value }) => value)], async () => {
    const inputs = { embeds, positions, mask, last, attention }
    const { logits } = await decode(graph, checkpoint, formats, inputs)
    const [token, logprob] = [bestToken(graph, logits), bestLogprob(graph, logits)]
    const column = graph.node('Unsqueeze', [token, graph.ints(1)])
    const ended = any(graph, graph.node('Equal', [column, eos]), [1])
    const isShort = graph.node('Less', [graph.node('Add', [iteration.name, graph.int(1)]), most])
    const goes = graph.node('And', [alive, graph.node('And', [graph.node('Not', [ended]), isShort])])
    const line = slice(graph, mask, 3, -1)
    const visible = graph.node('Mul', [slice(graph, line, 4, -1), graph.scalar(0)])
    const next = [
      embeddings(token),
      graph.node('Add', [slice(graph, positions, 1, -1), graph.int(1)]),
      graph.node('Concat', [line, visible], { axis: 4n }),
      graph.node('Mul', [last, graph.int(0)]),
      goes,
      logits,
      ...grown,
    ]
    return [
      { ...goesOn, name: any(graph, goes, [0]) },
      ...next.map((name, index) => ({ ...carried[index]!.value, name })),
      { name: token, type: 'int64', dims: ['batch'] },
      { name: logprob, type: precision, dims: ['batch'] },
    ]
  })

  const isTrue = graph.cast(graph.uint8(1), 'bool')
  const outputs = graph.nodes(
    'Loop',
    [steps, isTrue, ...carried.map(({ initial }) => initial)],
    { body },
    carried.length + 2,
  )
  const [token, logprob] = outputs.slice(-2) as [string, string]
  graph.output(token, 'token', 'int64', ['steps', 'batch'])
  graph.floatOutput(logprob, 'logprob', ['steps', 'batch'])
  graph.floatOutput(outputs[5]!, 'logits', ['batch', vocab])
  const final = outputs.slice(6, -2)
  const sliceDims = ['slices', kvHeads, 1, 'new', headDim]
  for (const [offset, name] of ['new_k', 'new_v'].entries()) {
    const parts = final.filter((_, index) => index % 2 === offset)
    const all = graph.node('Concat', parts, { axis: 0n })
    graph.output(slice(graph, all, 3, 1), name, precision, sliceDims)
  }
}

function cacheNames(layers: number): string[] {
  return Array.from({ length: layers }, (_, layer) => [`k.${layer}`, `v.${layer}`]).flat()
}

/** How a step finds the embeddings `[batch, 1, hidden]` of the tokens that the last one chose. */
async function tokenEmbeddings(
  graph: GraphBuilder,
  checkpoint: Checkpoint,
  headFormat: LinearFormat,
): Promise<(token: string) => string> {
  const { vocab, hidden } = checkpoint.config.text
  const { precision } = graph.target
  if (headTensor(checkpoint) === embeddingTensor && headFormat === 'columns') {
    // The head's matrix [hidden, vocab] is the same numbers, and there already.
    const matrix = matrixName({ tensors: [{ name: embeddingTensor, rows: vocab }] }, vocab)
    return (token) => {
      const columns = graph.node('Gather', [matrix, token], { axis: 1n })
      return graph.node('Unsqueeze', [graph.transpose(columns, 1, 0), graph.ints(1)])
    }
  }
  const blocks = typedBlocks(graph, checkpoint.readBlocks(embeddingTensor, [vocab, hidden]))
  const table = await graph.initializer(`${embeddingTensor}:rows`, precision, [vocab, hidden], blocks)
  return (token) =>
    graph.node('Gather', [table, graph.node('Unsqueeze', [token, graph.ints(1)])], { axis: 0n })
}

async function* typedBlocks(
  graph: GraphBuilder,
  blocks: AsyncIterable<Float32Array>,
): AsyncGenerator<ArrayBufferView> {
  for await (const block of blocks) yield graph.typed(block)
}

/** Places from `start` to `end` of an axis; to the last one without `end`. */
function slice(graph: GraphBuilder, value: string, axis: number, start: number, end = 2 ** 31 - 1): string {
  return graph.node('Slice', [value, graph.ints(start), graph.ints(end), graph.ints(axis)])
}

/** Whether any value along the axes is true. */
function any(graph: GraphBuilder, value: string, axes: readonly number[]): string {
  const numbers = graph.cast(value, 'float')
  return graph.cast(graph.node('ReduceMax', [numbers, graph.ints(...axes)], { keepdims: 0n }), 'bool')
}
