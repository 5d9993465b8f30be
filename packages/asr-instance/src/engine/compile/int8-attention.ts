import {
  pastAndNewWeights,
  type Attended,
  type AttentionText,
  type CachedAttention,
} from './cached-attention.js'
import type { GraphBuilder } from './graph-builder.js'
import { quantizeRows, quantizeRowsAs } from './integer-product.js'

/**
 * For a cache at 8 bits in the host's memory, a quarter of the bytes to read in every step: `past_k.i
 * [batch, kvHeads, headDim, past]` and `past_v.i [batch, kvHeads, past, headDim]`, each token of a head with a scale,
 * `past_k_scale.i` and `past_v_scale.i` `[batch, kvHeads, 1, past]`. Keys are turned by the host as it keeps them: in the
 * graph a step of eight rows would spend a sixth of its time on turning queries and scores. New slices leave the
 * graph token by token, `new_k`, `new_v`, `new_k_scale`, `new_v_scale`, layers, batch, heads and tokens as one dimension.
 */
export function int8Attention(graph: GraphBuilder, { kvHeads, headDim }: AttentionText): CachedAttention {
  const newKeys: string[] = []
  const newValues: string[] = []
  const integerProduct = (a: string, b: string, ...zeroPoint: string[]) =>
    graph.node('MatMulIntegerToFloat', [a, b, graph.scalar(1), graph.scalar(1), ...zeroPoint])
  /** `[rows, columns]` as `[batch, kvHeads, queries, columns]`; a scale is a column. */
  const perHead = (value: string, columns: number) =>
    graph.node('Reshape', [
      value,
      graph.once(`${columns} columns per head`, () =>
        graph.node('Concat', [batchOf(newKeys[0]!), graph.ints(kvHeads, -1, columns)], { axis: 0n }),
      ),
    ])
  const batchOf = (value: string) => graph.node('Shape', [value], { start: 0n, end: 1n })
  const attendNew = ({ q, k, v, mask }: Attended) => {
    const scores = graph.node('FusedMatMul', [q, k], { transB: 1n, alpha: 1 })
    return graph.node('MatMul', [
      graph.node('Softmax', [graph.node('Add', [scores, mask])], { axis: -1n }),
      v,
    ])
  }
  const attendAll = ({ layer, q, k, v, mask }: Attended) => {
    const pastV = `past_v.${layer}`
    const rowsOfQueries = () => graph.reshape(q, -1, headDim)
    const queries = quantizeRows(graph, rowsOfQueries(), {
      group: `queries with ${mask}`,
      // A branch's own values are unknown where zero points are made.
      count: () => graph.node('Shape', [rowsOfQueries()], { start: 0n, end: 1n }),
    })
    const products = integerProduct(perHead(queries.values, headDim), `past_k.${layer}`, graph.uint8(128))
    const scores = graph.node('Mul', [
      graph.node('Mul', [products, perHead(queries.scale, 1)]),
      `past_k_scale.${layer}`,
    ])
    const weights = pastAndNewWeights(graph, { pastV, scores, q, k, mask })
    const weighted = graph.node('Mul', [weights.past, `past_v_scale.${layer}`])
    const pastLength = () => graph.node('Shape', [pastV], { start: 2n, end: 3n })
    const flat = graph.node('Reshape', [
      weighted,
      graph.once('rows of weights', () => graph.node('Concat', [graph.ints(-1), pastLength()], { axis: 0n })),
    ])
    const shares = quantizeRowsAs(graph, flat, 'uint8')
    const shareShape = graph.once('shares per head', () =>
      graph.node('Concat', [batchOf(pastV), graph.ints(kvHeads, -1), pastLength()], { axis: 0n }),
    )
    const sums = integerProduct(graph.node('Reshape', [shares.values, shareShape]), pastV)
    const fromPast = graph.node('Mul', [sums, perHead(shares.scale, 1)])
    return graph.node('Add', [fromPast, graph.node('MatMul', [weights.new, v])])
  }
  return {
    joinsGroups: true,
    attend(attended) {
      const { layer } = attended
      newKeys.push(attended.k)
      newValues.push(attended.v)
      graph.input(`past_k.${layer}`, 'int8', ['batch', kvHeads, headDim, 'past'])
      graph.input(`past_v.${layer}`, 'int8', ['batch', kvHeads, 'past', headDim])
      for (const name of ['k', 'v'])
        graph.input(`past_${name}_scale.${layer}`, 'float', ['batch', kvHeads, 1, 'past'])
      const isEmpty = graph.once('the past is empty', () =>
        graph.node('Equal', [
          graph.node('Shape', [`past_v.${layer}`], { start: 2n, end: 3n }),
          graph.ints(0),
        ]),
      )
      // Dimensions with names of their own: the last layer computes fewer queries.
      const like = {
        type: 'float',
        dims: ['batch', kvHeads, `queries.${layer}`, headDim],
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
      for (const [name, parts] of [
        ['k', newKeys],
        ['v', newValues],
      ] as const) {
        const rows = quantizeRowsAs(graph, join(parts), 'int8')
        graph.output(rows.values, `new_${name}`, 'int8', ['rows', headDim])
        graph.output(rows.scale, `new_${name}_scale`, 'float', ['rows'])
      }
    },
  }
}
