import { AsrError } from '@asr-cluster/protocol'
import { audioTokens } from '../features/audio-tokens.js'
import { frameCount } from '../features/log-mel.js'
import type { Prompt } from './prompt.js'

/**
 * Tokens that are left to the answer, of `mostTokens` for prompt, sound and answer together. Asked before anything is
 * computed: a row beyond the model's last position fails with all the rows beside it. Throws `invalid_request` if none
 * is left.
 */
export function answerRoom({ before, after }: Prompt, samples: number, mostTokens: number): number {
  const tokens = before.length + audioTokens(frameCount(samples)) + after.length
  if (tokens < mostTokens) return mostTokens - tokens
  throw new AsrError(
    'invalid_request',
    `With this \`prompt\` a piece of the recording has ${tokens} tokens, and the model takes ${mostTokens} with the answer.`,
    { param: 'prompt' },
  )
}
