import type { ModelConfig } from '../checkpoint/model-config.js'
import type { GraphBuilder } from './graph-builder.js'

/** Attention over what was and what is new, and how keys and values of the past enter and leave the graph. */
export interface CachedAttention {
  /**
   * Of one layer: `q [batch, kvHeads, group, tokens, headDim]`, already scaled, `k` and `v
   * [batch, kvHeads, 1, tokens, headDim]`; answers the shape of `q`.
   */
  attend(layer: number, q: string, k: string, v: string): string
  /** Once, after all layers. */
  finish(): void
}

/**
 * For a cache in the host's memory: only the new slices leave the graph, `new_k` and `new_v
 * [layers · batch, kvHeads, 1, tokens, headDim]`, because the binding copies every output. For the same reason past and
 * new are never concatenated: scores are computed apart.
 */
export function hostAttention(
  graph: GraphBuilder,
  { kvHeads, headDim }: ModelConfig['text'],
  mask: string,
  positions: string,
): CachedAttention {
  const cacheDims = ['batch', kvHeads, 1, 'past', headDim]
  const tokens = graph.node('Shape', [positions], { start: 1n, end: 2n })
  const newKeys: string[] = []
  const newValues: string[] = []
  /** Lengths of past and new. */
  let spans: string | undefined
  return {
    attend(layer, q, k, v) {
      const pastK = graph.input(`past_k.${layer}`, 'float', cacheDims)
      const pastV = graph.input(`past_v.${layer}`, 'float', cacheDims)
      newKeys.push(k)
      newValues.push(v)
      // One query is a matrix of one row, for which onnxruntime reads the keys as they lie, if there is no factor.
      const scores = [pastK, k].map((keys) => graph.node('FusedMatMul', [q, keys], { transB: 1n, alpha: 1 }))
      const joined = graph.node('Concat', scores, { axis: -1n })
      const weights = graph.node('Softmax', [graph.node('Add', [joined, mask])], { axis: -1n })
      spans ??= graph.node('Concat', [graph.node('Shape', [pastK], { start: 3n, end: 4n }), tokens], {
        axis: 0n,
      })
      const split = graph.nodes('Split', [weights, spans], { axis: -1n }, 2) as [string, string]
      return graph.node('Add', [graph.node('MatMul', [split[0], pastV]), graph.node('MatMul', [split[1], v])])
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
export function deviceAttention(
  graph: GraphBuilder,
  { kvHeads, headDim }: ModelConfig['text'],
  mask: string,
): CachedAttention {
  const { precision } = graph.target
  const keyDims = (span: string) => ['batch', kvHeads, 1, headDim, span]
  const valueDims = (span: string) => ['batch', kvHeads, 1, span, headDim]
  return {
    attend(layer, q, k, v) {
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
