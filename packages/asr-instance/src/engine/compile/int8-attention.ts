import {
  pastAndNewWeights,
  type Attended,
  type AttentionText,
  type CachedAttention,
} from './cached-attention.js'
import type { GraphBuilder } from './graph-builder.js'
import { quantizeRows, quantizeRowsAs } from './integer-product.js'

/**
 * For a cache at 8 bits in the host's memory, a quarter of the bytes to read in every step: `past_k.i` (128 stands for zero)
 * and `past_v.i` `[batch, kvHeads, past, headDim]`, each token of a head with a scale, `past_k_scale.i` and
 * `past_v_scale.i` `[batch, kvHeads, past]`. New slices leave the graph in
 * the same form, `new_k`, `new_v`, `new_k_scale`, `new_v_scale`, layers and batch as one dimension.
 */
export function int8Attention(graph: GraphBuilder, { kvHeads, headDim }: AttentionText): CachedAttention {
  const cacheDims = ['batch', kvHeads, 'past', headDim]
  const newKeys: string[] = []
  const newValues: string[] = []
  const integerProduct = (a: string, b: string, ...zeroPoint: string[]) =>
    graph.node('MatMulIntegerToFloat', [a, b, graph.scalar(1), graph.scalar(1), ...zeroPoint])
  /** `[rows, columns]` as `[batch, kvHeads, queries, columns]`; a scale is a column. */
  const perHead = (value: string, columns: number) => graph.node('Reshape', [value, headShape(columns)])
  const headShape = (columns: number) =>
    graph.once(`${columns} columns per head`, () => {
      const batch = graph.node('Shape', [newKeys[0]!], { start: 0n, end: 1n })
      return graph.node('Concat', [batch, graph.ints(kvHeads, -1, columns)], { axis: 0n })
    })
  const attendNew = ({ q, k, v, mask }: Attended) => {
    const scores = graph.node('FusedMatMul', [q, k], { transB: 1n, alpha: 1 })
    return graph.node('MatMul', [
      graph.node('Softmax', [graph.node('Add', [scores, mask])], { axis: -1n }),
      v,
    ])
  }
  const attendAll = ({ layer, q, k, v, mask }: Attended) => {
    const pastK = `past_k.${layer}`
    // Keys times queries and not the other way round: so both are cached token by token, and a new one is one copy.
    const queries = quantizeRowsAs(graph, graph.reshape(q, -1, headDim), 'int8')
    const turned = graph.transpose(perHead(queries.values, headDim), 0, 1, 3, 2)
    const products = integerProduct(pastK, turned, graph.uint8(128))
    const byQuery = graph.node('Mul', [graph.transpose(products, 0, 1, 3, 2), perHead(queries.scale, 1)])
    const scores = graph.node('Reshape', [
      graph.node('Mul', [byQuery, `past_k_scale.${layer}`]),
      graph.once(`scores with ${mask}`, () => {
        const shape = graph.node('Shape', [q], { start: 0n, end: 4n })
        return graph.node('Concat', [shape, graph.ints(-1)], { axis: 0n })
      }),
    ])
    const weights = pastAndNewWeights(graph, { pastK, scores, q, k, mask })
    const weighted = graph.node('Mul', [weights.past, `past_v_scale.${layer}`])
    const pastLength = () => graph.node('Shape', [pastK], { start: 2n, end: 3n })
    const flat = graph.node('Reshape', [
      weighted,
      graph.once('rows of weights', () => graph.node('Concat', [graph.ints(-1), pastLength()], { axis: 0n })),
    ])
    const shares = quantizeRowsAs(graph, flat, 'uint8')
    const shareShape = graph.once('shares per head', () => {
      const heads = graph.node('Shape', [pastK], { start: 0n, end: 2n })
      return graph.node('Concat', [heads, graph.ints(-1), pastLength()], { axis: 0n })
    })
    const sums = integerProduct(graph.node('Reshape', [shares.values, shareShape]), `past_v.${layer}`)
    const fromPast = graph.node('Reshape', [
      graph.node('Mul', [sums, perHead(shares.scale, 1)]),
      graph.once(`queries with ${mask}`, () => graph.node('Shape', [q])),
    ])
    return graph.node('Add', [fromPast, graph.node('MatMul', [weights.new, v])])
  }
  return {
    attend(attended) {
      const { layer } = attended
      newKeys.push(attended.k)
      newValues.push(attended.v)
      graph.input(`past_k.${layer}`, 'uint8', cacheDims)
      graph.input(`past_v.${layer}`, 'int8', cacheDims)
      graph.input(`past_k_scale.${layer}`, 'float', ['batch', kvHeads, 1, 'past'])
      // The same dimensions as those of the weights.
      graph.input(`past_v_scale.${layer}`, 'float', ['batch', kvHeads, 1, 1, 'past'])
      const isEmpty = graph.once('the past is empty', () =>
        graph.node('Equal', [
          graph.node('Shape', [`past_k.${layer}`], { start: 2n, end: 3n }),
          graph.ints(0),
        ]),
      )
      // Dimensions with names of their own: the last layer computes fewer queries.
      const like = {
        type: 'float',
        dims: ['batch', kvHeads, `group.${layer}`, `queries.${layer}`, headDim],
      } as const
      // A prompt has no past, and products of integers know no empty matrices.
      return graph.choose(
        isEmpty,
        like,
        () => attendNew(attended),
        () => attendAll(attended),
      )
    },
    finish() {
      const join = (parts: string[]) => graph.reshape(graph.node('Concat', parts, { axis: 0n }), -1, headDim)
      const keys = quantizeRows(graph, join(newKeys), { group: 'new tokens' })
      const values = quantizeRowsAs(graph, join(newValues), 'int8')
      graph.output(keys.values, 'new_k', 'uint8', ['rows', headDim])
      graph.output(keys.scale, 'new_k_scale', 'float', ['rows'])
      graph.output(values.values, 'new_v', 'int8', ['rows', headDim])
      graph.output(values.scale, 'new_v_scale', 'float', ['rows'])
    },
  }
}
