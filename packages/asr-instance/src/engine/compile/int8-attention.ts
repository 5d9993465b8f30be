import { pastAndNewWeights, type AttentionText, type CachedAttention } from './decoder-attention.js'
import type { GraphBuilder } from './graph-builder.js'
import { quantizeRows } from './integer-product.js'

/**
 * For a cache at 8 bits in the host's memory, a quarter of the bytes to read in every step: `past_k.i` (128 stands for zero)
 * and `past_v.i` `[batch, kvHeads, past, headDim]`, each token of a head with a scale, `past_k_scale.i` and
 * `past_v_scale.i` `[batch, kvHeads, past]`. The past has at least one place, be it masked. New slices leave the graph in
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
  return {
    attend({ layer, q, k, v, mask }) {
      newKeys.push(k)
      newValues.push(v)
      const pastK = graph.input(`past_k.${layer}`, 'uint8', cacheDims)
      const pastV = graph.input(`past_v.${layer}`, 'int8', cacheDims)
      // The same values, as each is needed: beside the keys and beside the weights.
      const keyScale = graph.input(`past_k_scale.${layer}`, 'float', ['batch', kvHeads, 'past', 1])
      const valueScale = graph.input(`past_v_scale.${layer}`, 'float', ['batch', kvHeads, 1, 1, 'past'])

      // Keys times queries and not the other way round: so both are cached token by token, and a new one is one copy.
      const queries = quantizeRows(graph, graph.reshape(q, -1, headDim), 'int8', { group: mask })
      const turned = graph.transpose(perHead(queries.values, headDim), 0, 1, 3, 2)
      const products = integerProduct(pastK, turned, graph.uint8(128))
      const byQuery = graph.transpose(graph.node('Mul', [products, keyScale]), 0, 1, 3, 2)
      const scaledScores = graph.node('Mul', [byQuery, perHead(queries.scale, 1)])
      const scores = graph.node('Reshape', [
        scaledScores,
        graph.once(`scores with ${mask}`, () => {
          const shape = graph.node('Shape', [q], { start: 0n, end: 4n })
          return graph.node('Concat', [shape, graph.ints(-1)], { axis: 0n })
        }),
      ])
      const weights = pastAndNewWeights(graph, { scores, q, k, mask })
      const weighted = graph.node('Mul', [weights.past, valueScale])
      const flat = graph.node('Reshape', [
        weighted,
        graph.once('rows of weights', () => {
          const past = graph.node('Shape', [valueScale], { start: 4n, end: 5n })
          return graph.node('Concat', [graph.ints(-1), past], { axis: 0n })
        }),
      ])
      const shares = quantizeRows(graph, flat, 'positive', { group: mask })
      const shareShape = graph.once('shares per head', () => {
        const shape = graph.node('Shape', [pastK], { start: 0n, end: 2n })
        const past = graph.node('Shape', [pastK], { start: 2n, end: 3n })
        return graph.node('Concat', [shape, graph.ints(-1), past], { axis: 0n })
      })
      const sums = integerProduct(graph.node('Reshape', [shares.values, shareShape]), pastV)
      const mixed = graph.node('Mul', [sums, perHead(shares.scale, 1)])
      const fromPast = graph.node('Reshape', [
        mixed,
        graph.once(`queries with ${mask}`, () => graph.node('Shape', [q])),
      ])
      return graph.node('Add', [fromPast, graph.node('MatMul', [weights.new, v])])
    },
    finish() {
      for (const { name, parts, format } of [
        { name: 'new_k', parts: newKeys, format: 'uint8' },
        { name: 'new_v', parts: newValues, format: 'int8' },
      ] as const) {
        const joined = graph.node('Concat', parts, { axis: 0n })
        const rows = graph.reshape(joined, -1, headDim)
        const { values, scale } = quantizeRows(graph, rows, format, { group: 'new tokens' })
        graph.output(values, name, format, ['rows', headDim])
        graph.output(scale, `${name}_scale`, 'float', ['rows'])
      }
    },
  }
}
