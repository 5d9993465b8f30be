import { collapseRepetitions } from './repetition.js'
import type { TextTokenizer } from './tokenizer.js'

/** A whole head as the model writes it inside a text, and the end of a text that is one or may become one. */
const innerHead = /^(?:language\s+[a-z]+|none)$/i
const lastWords = /(?:\blanguage\s+)?[a-z]*\s*$/i

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
  /** What stands before the text, as far as it is read; null in the text. */
  #head: string | null
  #language: string | undefined
  /** Given out. */
  #text = ''
  /**
   * The end of the text, given out only if more follows: white space, as the whole text does not end with it, and what may
   * be a head. The model can begin its answer anew in the middle of it, as with `Ninety. None<asr_text>` for noise.
   */
  #held = ''

  constructor(tokenizer: TextTokenizer, forcedLanguage: string | null) {
    this.#tokenizer = tokenizer
    this.#separator = tokenizer.controlId('<asr_text>')
    this.#forced = forcedLanguage
    this.#head = forcedLanguage === null ? '' : null
  }

  /** Adds tokens; answers the text that became certain, which may be ''. */
  push(tokens: readonly number[]): string {
    for (const token of tokens) {
      if (token === this.#separator) this.#endHead()
      else if (this.#head === null) this.#held += this.#read(token)
      else this.#head += this.#read(token)
    }
    return this.#give(beginOfUncertain(this.#held))
  }

  /** Language named by the model or forced; '' for none, undefined while it is not known. */
  get language(): string | undefined {
    return this.#forced ?? this.#language
  }

  /** The rest of the text once the generation is over, and the whole text with loops collapsed. */
  finish(): { rest: string; text: string } {
    // Without the separator everything is text, as the official parser has it.
    this.#held += (this.#head ?? '') + this.#decoder.decode()
    this.#head = null
    const rest = this.#give(this.#held.trimEnd().length)
    return { rest, text: collapseRepetitions(this.#text).trim() }
  }

  #give(length: number): string {
    if (this.language === '') {
      this.#held = ''
      return ''
    }
    const given = this.#held.slice(0, length)
    this.#held = this.#held.slice(length)
    this.#text += given
    return given
  }

  #read(token: number): string {
    return this.#decoder.decode(this.#tokenizer.bytes(token), { stream: true })
  }

  #endHead(): void {
    if (this.#head !== null) {
      const match = /^\s*language\s+(.+?)\s*$/i.exec(this.#head + this.#decoder.decode())
      const name = match?.[1] ?? ''
      this.#language = name.toLowerCase() === 'none' ? '' : name.charAt(0).toUpperCase() + name.slice(1)
      this.#head = null
      return
    }
    const begin = beginOfUncertain(this.#held)
    const uncertain = this.#held.slice(begin)
    const isHead = innerHead.test(uncertain.trim())
    // The space before it stays, for the text that may follow.
    if (isHead) this.#held = this.#held.slice(0, begin) + (/^\s+/.exec(uncertain)?.[0] ?? '')
  }
}

/** Where white space or what may be a head begins at the end of a text. */
function beginOfUncertain(text: string): number {
  const words = lastWords.exec(text)?.[0] ?? ''
  const word = words.trim().toLowerCase()
  const mayBeHead = /^language\s/i.test(words) || 'language'.startsWith(word) || 'none'.startsWith(word)
  const certain = mayBeHead ? text.slice(0, text.length - words.length) : text
  return certain.trimEnd().length
}
