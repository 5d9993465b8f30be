import type { TextTokenizer } from './tokenizer.js'

export interface Prompt {
  /** Token ids before and after the audio features. */
  before: number[]
  after: number[]
}

/**
 * The official chat template. `context` becomes the system turn, which is there even when empty; a forced language
 * starts the assistant's turn, so that the answer is text only.
 */
export function buildPrompt(tokenizer: TextTokenizer, context: string, language: string | null): Prompt {
  const start = tokenizer.controlId('<|im_start|>')
  const end = tokenizer.controlId('<|im_end|>')
  const encode = (text: string) => tokenizer.encode(text)
  const forced =
    language === null ? [] : [...encode(`language ${language}`), tokenizer.controlId('<asr_text>')]
  return {
    before: [
      start,
      ...encode('system\n'),
      ...encode(tokenizer.withoutControlTokens(context)),
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
