import { collapseRepetitions } from './repetition.js'
import type { TextTokenizer } from './tokenizer.js'

const replacement = '\uFFFD'

/**
 * Reads the model's answer as it grows: `language X<asr_text>text`, or only text when the language was forced. Text is
 * given out once its last character is whole.
 */
export class AnswerReader {
  readonly #tokenizer: TextTokenizer
  readonly #separator: number
  readonly #forced: string | null
  readonly #textTokens: number[] = []
  #headTokens: number[] | null
  #given = ''

  constructor(tokenizer: TextTokenizer, forcedLanguage: string | null) {
    this.#tokenizer = tokenizer
    this.#separator = tokenizer.controlId('<asr_text>')
    this.#forced = forcedLanguage
    this.#headTokens = forcedLanguage === null ? [] : null
  }

  /** Adds tokens; answers the text that became certain, which may be ''. */
  push(tokens: readonly number[]): string {
    for (const token of tokens) {
      if (this.#headTokens === null) this.#textTokens.push(token)
      else if (token === this.#separator) this.#headTokens = this.#takeHead(this.#headTokens)
      else this.#headTokens.push(token)
    }
    if (this.language === '') return ''
    return this.#give(this.#tokenizer.decode(this.#textTokens), false)
  }

  #language: string | undefined

  #takeHead(head: readonly number[]): null {
    const match = /^\s*language\s+(.+?)\s*$/i.exec(this.#tokenizer.decode(head))
    const name = match?.[1] ?? ''
    this.#language = name.toLowerCase() === 'none' ? '' : name.charAt(0).toUpperCase() + name.slice(1)
    return null
  }

  /** Language named by the model or forced; '' for none, undefined while it is not known. */
  get language(): string | undefined {
    return this.#forced ?? this.#language
  }

  /** The rest of the text once the generation is over, and the whole text with loops collapsed. */
  finish(): { rest: string; text: string } {
    if (this.language === '') return { rest: '', text: '' }
    // Without the separator everything is text, as the official parser has it.
    const tokens = this.#headTokens ?? this.#textTokens
    const text = this.#tokenizer.decode(tokens)
    return { rest: this.#give(text, true), text: collapseRepetitions(text).trim() }
  }

  #give(text: string, whole: boolean): string {
    const certain = whole ? text : text.endsWith(replacement) ? text.slice(0, -1).trimEnd() : text
    if (certain.length <= this.#given.length) return ''
    const delta = certain.slice(this.#given.length)
    this.#given = certain
    return delta
  }
}
