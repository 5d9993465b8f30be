import { pastAndNewWeights, type AttentionText, type CachedAttention } from './cached-attention.js'
import type { GraphBuilder } from './graph-builder.js'
import { int8Attention } from './int8-attention.js'

/** How keys and values of the past are kept: on the device, in the host's memory, there at 8 bits. */
export type CacheFormat = 'device' | 'float32' | 'int8'

export const cachedAttention: Record<
  CacheFormat,
  (graph: GraphBuilder, text: AttentionText) => CachedAttention
> = { device: deviceAttention, float32: hostAttention, int8: int8Attention }

/**
 * For a cache in the host's memory: only the new slices leave the graph, `new_k` and `new_v
 * [layers · batch, kvHeads, 1, tokens, headDim]`, because the binding copies every output. For the same reason past and
 * new are never concatenated: scores are computed apart.
 */
function hostAttention(graph: GraphBuilder, { kvHeads, headDim }: AttentionText): CachedAttention {
  const cacheDims = ['batch', kvHeads, 1, 'past', headDim]
  const newKeys: string[] = []
  const newValues: string[] = []
  return {
    attend({ layer, q, k, v, mask }) {
      const pastK = graph.input(`past_k.${layer}`, 'float', cacheDims)
      const pastV = graph.input(`past_v.${layer}`, 'float', cacheDims)
      newKeys.push(k)
      newValues.push(v)
      // One query is a matrix of one row, for which onnxruntime reads the keys as they lie, if there is no factor.
      const scores = graph.node('FusedMatMul', [q, pastK], { transB: 1n, alpha: 1 })
      const weights = pastAndNewWeights(graph, { pastV, scores, q, k, mask })
      return graph.node('Add', [
        graph.node('MatMul', [weights.past, pastV]),
        graph.node('MatMul', [weights.new, v]),
      ])
    },
    finish() {
      const sliceDims = ['slices', kvHeads, 1, 'tokens', headDim]
      graph.output(graph.node('Concat', newKeys, { axis: 0n }), 'new_k', 'float', sliceDims)
      graph.output(graph.node('Concat', newValues, { axis: 0n }), 'new_v', 'float', sliceDims)
    },
  }
}

/**
 * For a cache that stays on the device: past and new leave the graph together, `present_k.i
 * [batch, kvHeads, 1, headDim, all]` and `present_v.i [batch, kvHeads, 1, all, headDim]`. Keys are kept transposed, so
 * that no step transposes all of them.
 */
function deviceAttention(graph: GraphBuilder, { kvHeads, headDim }: AttentionText): CachedAttention {
  const { precision } = graph.target
  const keyDims = (span: string) => ['batch', kvHeads, 1, headDim, span]
  const valueDims = (span: string) => ['batch', kvHeads, 1, span, headDim]
  return {
    attend({ layer, q, k, v, mask }) {
      const pastK = graph.input(`past_k.${layer}`, precision, keyDims('past'))
      const pastV = graph.input(`past_v.${layer}`, precision, valueDims('past'))
      const keys = graph.node('Concat', [pastK, graph.transpose(k, 0, 1, 2, 4, 3)], { axis: 4n })
      const values = graph.node('Concat', [pastV, v], { axis: 3n })
      graph.output(keys, `present_k.${layer}`, precision, keyDims('all'))
      graph.output(values, `present_v.${layer}`, precision, valueDims('all'))
      const scores = graph.node('Add', [graph.node('MatMul', [q, keys]), mask])
      return graph.node('MatMul', [graph.node('Softmax', [scores], { axis: -1n }), values])
    },
    finish() {},
  }
}
