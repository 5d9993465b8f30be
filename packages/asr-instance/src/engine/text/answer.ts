import { collapseRepetitions } from './repetition.js'
import type { TextTokenizer } from './tokenizer.js'

/**
 * Reads the model's answer as it grows: `language X<asr_text>text`, or only text when the language was forced. Text is
 * given out once its last character is whole.
 */
export class AnswerReader {
  readonly #tokenizer: TextTokenizer
  readonly #separator: number
  readonly #forced: string | null
  /** Holds the bytes of a character that is not whole yet. */
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  #headTokens: number[] | null
  #language: string | undefined
  #text = ''
  /** White space that is given out only if more follows: the whole text does not end with it. */
  #held = ''

  constructor(tokenizer: TextTokenizer, forcedLanguage: string | null) {
    this.#tokenizer = tokenizer
    this.#separator = tokenizer.controlId('<asr_text>')
    this.#forced = forcedLanguage
    this.#headTokens = forcedLanguage === null ? [] : null
  }

  /** Adds tokens; answers the text that became certain, which may be ''. */
  push(tokens: readonly number[]): string {
    let added = ''
    for (const token of tokens) {
      if (this.#headTokens === null) added += this.#read(token)
      else if (token === this.#separator) this.#headTokens = this.#takeHead(this.#headTokens)
      else this.#headTokens.push(token)
    }
    this.#text += added
    return this.language === '' ? '' : this.#withoutEnd(added)
  }

  /** Language named by the model or forced; '' for none, undefined while it is not known. */
  get language(): string | undefined {
    return this.#forced ?? this.#language
  }

  /** The rest of the text once the generation is over, and the whole text with loops collapsed. */
  finish(): { rest: string; text: string } {
    if (this.language === '') return { rest: '', text: '' }
    // Without the separator everything is text, as the official parser has it.
    const head = this.#headTokens ?? []
    const rest = head.map((token) => this.#read(token)).join('') + this.#decoder.decode()
    return { rest: this.#withoutEnd(rest), text: collapseRepetitions(this.#text + rest).trim() }
  }

  #withoutEnd(added: string): string {
    const text = this.#held + added
    const shown = text.trimEnd()
    this.#held = text.slice(shown.length)
    return shown
  }

  #read(token: number): string {
    return this.#decoder.decode(this.#tokenizer.bytes(token), { stream: true })
  }

  #takeHead(head: readonly number[]): null {
    const match = /^\s*language\s+(.+?)\s*$/i.exec(this.#tokenizer.decode(head))
    const name = match?.[1] ?? ''
    this.#language = name.toLowerCase() === 'none' ? '' : name.charAt(0).toUpperCase() + name.slice(1)
    return null
  }
}
