import type { ModelConfig } from '../checkpoint/model-config.js'
import type { GraphBuilder } from './graph-builder.js'

export type AttentionText = Pick<ModelConfig['text'], 'kvHeads' | 'headDim'>

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
  /**
   * The query heads that share a key head are rows of one matrix: `q [batch, kvHeads, group · tokens, headDim]`, `k` and `v`
   * without their third dimension, `mask [batch, 1, group · tokens, past + tokens]`.
   */
  joinsGroups?: boolean
  /** Of one layer; answers the shape of `q`. */
  attend(layer: Attended): string
  /** Once, after all layers. */
  finish(): void
}

/**
 * One softmax over `scores […, tokens, past]` of the past and those of the new tokens. The length of the past is the last
 * but one dimension of `pastV`.
 */
export function pastAndNewWeights(
  graph: GraphBuilder,
  { pastV, scores, q, k, mask }: Pick<Attended, 'q' | 'k' | 'mask'> & { pastV: string; scores: string },
): { past: string; new: string } {
  const newScores = graph.node('FusedMatMul', [q, k], { transB: 1n, alpha: 1 })
  const joined = graph.node('Concat', [scores, newScores], { axis: -1n })
  const weights = graph.node('Softmax', [graph.node('Add', [joined, mask])], { axis: -1n })
  const spans = graph.once('lengths of past and new', () => {
    const lengths = [pastV, k].map((value) => graph.node('Shape', [value], { start: -2n, end: -1n }))
    return graph.node('Concat', lengths, { axis: 0n })
  })
  const [past, fresh] = graph.nodes('Split', [weights, spans], { axis: -1n }, 2) as [string, string]
  return { past, new: fresh }
}
