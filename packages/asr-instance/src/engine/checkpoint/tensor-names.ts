import type { Checkpoint } from './checkpoint.js'

/** Token embeddings, `[vocab, hidden]`. */
export const embeddingTensor = 'thinker.model.embed_tokens.weight'

/** The head shares the token embeddings unless it has weights of its own. */
export function headTensor(checkpoint: Checkpoint): string {
  const own = 'thinker.lm_head.weight'
  return checkpoint.has(own) ? own : embeddingTensor
}
