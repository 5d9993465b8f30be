import { AnswerReader } from '../text/answer.js'
import type { TextTokenizer } from '../text/tokenizer.js'

/** Of the official streaming rule: guesses that begin with nothing, and tokens at the end that are taken back. */
const unfixedSteps = 2
const unfixedTokens = 5

/**
 * The official streaming rule (`streaming_transcribe` of QwenLM/Qwen3-ASR): the first two guesses at a growing recording
 * are free; each later one begins with the tokens of the one before it, but for the last five, and for more where
 * these end inside a character. Unlike there, a token that was kept once is kept for good, because text that a client
 * was given cannot be taken back.
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
    let end = tokens.length - unfixedTokens
    while (end > this.#kept.length && this.#isCut(tokens.slice(this.#kept.length, end))) end--
    if (end > this.#kept.length) this.#kept = tokens.slice(0, end)
  }

  #isCut(tokens: readonly number[]): boolean {
    return this.#tokenizer.decode(tokens).includes('\uFFFD')
  }

  #read(tokens: readonly number[]): string {
    const reader = new AnswerReader(this.#tokenizer, this.#language)
    reader.push(tokens)
    return reader.finish().text
  }
}
