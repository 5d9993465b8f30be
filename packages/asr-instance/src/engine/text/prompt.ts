import { AsrError } from '@asr-cluster/protocol'
import type { TextTokenizer } from './tokenizer.js'

/** Of the context alone. A list of names has hundreds; each is computed again for every piece of a recording. */
export const mostContextTokens = 4096

export interface Prompt {
  /** Token ids before and after the audio features. */
  before: number[]
  after: number[]
}

/**
 * The official chat template. `context` becomes the system turn, which is there even when empty; a forced language
 * starts the assistant's turn, so that the answer is text only. Throws `invalid_request` for a context that is too long.
 */
export function buildPrompt(tokenizer: TextTokenizer, context: string, language: string | null): Prompt {
  const start = tokenizer.controlId('<|im_start|>')
  const end = tokenizer.controlId('<|im_end|>')
  const encode = (text: string) => tokenizer.encode(text)
  const system = encode(tokenizer.withoutControlTokens(context))
  if (system.length > mostContextTokens) {
    throw new AsrError(
      'invalid_request',
      `\`prompt\` has ${system.length} tokens; at most ${mostContextTokens} are taken.`,
      { param: 'prompt' },
    )
  }
  const forced =
    language === null ? [] : [...encode(`language ${language}`), tokenizer.controlId('<asr_text>')]
  return {
    before: [
      start,
      ...encode('system\n'),
      ...system,
      end,
      ...encode('\n'),
      start,
      ...encode('user\n'),
      tokenizer.controlId('<|audio_start|>'),
    ],
    after: [
      tokenizer.controlId('<|audio_end|>'),
      end,
      ...encode('\n'),
      start,
      ...encode('assistant\n'),
      ...forced,
    ],
  }
}
