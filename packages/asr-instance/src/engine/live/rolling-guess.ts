import { AnswerReader } from '../text/answer.js'
import type { TextTokenizer } from '../text/tokenizer.js'

/** Of the official streaming rule: guesses that begin with nothing, and tokens at the end that are taken back. */
const unfixedSteps = 2
const unfixedTokens = 5

/**
 * The official streaming rule (`streaming_transcribe` of QwenLM/Qwen3-ASR): the first two guesses at a growing recording
 * are free; each later one begins with the tokens of the one before it, but for the last five, and for more where
 * these end inside a character. Where the model adds nothing, more is taken back each time, so it is not stuck.
 */
export class RollingGuess {
  readonly #tokenizer: TextTokenizer
  readonly #language: string | null
  #steps = 0
  #kept: readonly number[] = []

  constructor(tokenizer: TextTokenizer, forcedLanguage: string | null) {
    this.#tokenizer = tokenizer
    this.#language = forcedLanguage
  }

  /** What the model's next answer is made to begin with. */
  get kept(): readonly number[] {
    return this.#kept
  }

  /** Takes what the model wrote behind `kept`. Answers the whole text, and how much of its beginning is kept now. */
  push(generated: readonly number[]): { text: string; certain: number } {
    const tokens = [...this.#kept, ...generated]
    this.#steps++
    if (this.#steps >= unfixedSteps) this.#keep(tokens)
    const text = this.#read(tokens)
    const keptText = this.#read(this.#kept)
    return { text, certain: text.startsWith(keptText) ? keptText.length : 0 }
  }

  #keep(tokens: readonly number[]): void {
    let end = Math.max(0, tokens.length - unfixedTokens)
    while (this.#tokenizer.decode(tokens.slice(0, end)).includes('\uFFFD')) end--
    this.#kept = tokens.slice(0, end)
  }

  #read(tokens: readonly number[]): string {
    const reader = new AnswerReader(this.#tokenizer, this.#language)
    reader.push(tokens)
    return reader.finish().text
  }
}
