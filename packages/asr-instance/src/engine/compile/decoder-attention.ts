import type { ModelConfig } from '../checkpoint/model-config.js'
import type { GraphBuilder } from './graph-builder.js'
import { int8Attention } from './int8-attention.js'

/** What a layer attends with. */
export interface Attended {
  layer: number
  /** `[batch, kvHeads, group, tokens, headDim]`, already scaled. */
  q: string
  /** `k` and `v` `[batch, kvHeads, 1, tokens, headDim]`: of all new tokens, also where only some are asked for. */
  k: string
  v: string
  /** `[batch, 1, 1, tokens, past + tokens]`, of the tokens of `q`. */
  mask: string
}

/** Attention over what was and what is new, and how keys and values of the past enter and leave the graph. */
export interface CachedAttention {
  /** Of one layer; answers the shape of `q`. */
  attend(layer: Attended): string
  /** Once, after all layers. */
  finish(): void
}

/** How keys and values of the past are kept: on the device, in the host's memory, there at 8 bits. */
export type CacheFormat = 'device' | 'float32' | 'int8'

export type AttentionText = Pick<ModelConfig['text'], 'kvHeads' | 'headDim'>

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
      const weights = pastAndNewWeights(graph, { pastK, scores, q, k, mask })
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
 * One softmax over `scores [batch, kvHeads, group, tokens, past]` of the past and those of the new tokens. The length of
 * the past is the last but one dimension of `pastK`.
 */
export function pastAndNewWeights(
  graph: GraphBuilder,
  { pastK, scores, q, k, mask }: Pick<Attended, 'q' | 'k' | 'mask'> & { pastK: string; scores: string },
): { past: string; new: string } {
  const newScores = graph.node('FusedMatMul', [q, k], { transB: 1n, alpha: 1 })
  const joined = graph.node('Concat', [scores, newScores], { axis: -1n })
  const weights = graph.node('Softmax', [graph.node('Add', [joined, mask])], { axis: -1n })
  const spans = graph.once('lengths of past and new', () => {
    const lengths = [pastK, k].map((value) => graph.node('Shape', [value], { start: -2n, end: -1n }))
    return graph.node('Concat', lengths, { axis: 0n })
  })
  const [past, fresh] = graph.nodes('Split', [weights, spans], { axis: -1n }, 2) as [string, string]
  return { past, new: fresh }
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
