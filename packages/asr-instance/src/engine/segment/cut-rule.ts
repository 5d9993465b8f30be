import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { CheckpointError } from '../checkpoint/checkpoint-error.js'

/** How a long recording is cut into pieces that are recognised as a batch. */
const cutRuleSchema = z.strictObject({
  /** Longest piece. A recording up to this long is one piece, untouched. */
  maxPieceSeconds: z.number().min(1).max(1200).default(30),
  /** A pause this long ends a piece; null cuts only where the piece would be too long. */
  pauseSeconds: z.number().min(0.1).nullable().default(null),
})
export type CutRule = z.output<typeof cutRuleSchema>

/**
 * The rule of a model folder: `asr-cluster.json`, if it has one. The released models hear minutes at once; a model that
 * was trained on single sentences wants to be cut at its pauses.
 */
export async function readCutRule(modelDir: string): Promise<CutRule> {
  const text = await readFile(join(modelDir, 'asr-cluster.json'), 'utf8').catch(() => '{}')
  const result = cutRuleSchema.safeParse(JSON.parse(text))
  if (!result.success) throw new CheckpointError(`asr-cluster.json: ${z.prettifyError(result.error)}`)
  return result.data
}
