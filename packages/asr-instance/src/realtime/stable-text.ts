import { separatorBetween } from '../engine/text/join.js'

const words = new Intl.Segmenter('und', { granularity: 'word' })

/**
 * Turns guesses, which grow at their end, and the decided texts that replace them, into deltas, which cannot be taken
 * back. Whole words are given out; if a decided text has another word in the place of one, the text goes on behind it.
 */
export class DeltaWriter {
  readonly #emit: (delta: string, tentative: string) => void
  #emitted = ''
  #tentative = ''
  /** Words of the present part that were emitted. */
  #emittedWords = 0

  /** `tentative` is what stands behind all deltas at the moment, and may still change. */
  constructor(emit: (delta: string, tentative: string) => void) {
    this.#emit = emit
  }

  /** A guess at the part of the recording that is not decided yet; its first `certain` characters will stay. */
  guess(text: string, certain: number): void {
    // A word whose end is not certain may go on.
    const words = wordStarts(text).filter((_, index, starts) => (starts[index + 1] ?? Infinity) <= certain)
    this.#advance(text, words.length)
  }

  /** The beginning of the part is decided; the next guess is about the rest, of which some may be emitted. */
  decide(text: string): void {
    const count = wordStarts(text).length
    this.#advance(text, count)
    this.#emittedWords -= Math.min(this.#emittedWords, count)
  }

  /** The text of all: emits what is new, unless it contradicts what was emitted already. */
  finish(text: string): void {
    const isMore = text.length > this.#emitted.length && text.startsWith(this.#emitted)
    this.#write(isMore ? text.slice(this.#emitted.length) : '', '')
  }

  /** Emits the words of `text` up to the given number. */
  #advance(text: string, words: number): void {
    const starts = wordStarts(text)
    const from = this.#placeOf(text, starts, this.#emittedWords)
    const to = words <= this.#emittedWords ? from : this.#placeOf(text, starts, words)
    // Between two parts there is no text that tells whether a space belongs there.
    const part = text.slice(from, to).trim()
    const followsSpace = /\s$/u.test(text.slice(0, from))
    const separator = followsSpace ? ' ' : from === 0 ? separatorBetween(this.#emitted, part) : ''
    this.#emittedWords = Math.max(words, this.#emittedWords)
    this.#write(part === '' ? '' : separator + part, text.slice(to).trim())
  }

  /** Where the word with this number begins; the end of the text behind the last one. */
  #placeOf(text: string, starts: readonly number[], word: number): number {
    if (word === 0) return 0
    return word < starts.length ? withOpening(text, starts[word] as number) : text.length
  }

  #write(delta: string, tentative: string): void {
    if (delta === '' && tentative === this.#tentative) return
    this.#emitted += delta
    this.#tentative = tentative
    this.#emit(delta, tentative)
  }
}

function wordStarts(text: string): number[] {
  return [...words.segment(text)].filter(({ isWordLike }) => isWordLike).map(({ index }) => index)
}

/** Where a word begins, with the quote or bracket that opens before it. */
function withOpening(text: string, start: number): number {
  const opening = /[\p{Ps}\p{Pi}"']+$/u.exec(text.slice(0, start))?.[0] ?? ''
  const before = text.slice(0, start - opening.length)
  // A straight quote behind a word closes.
  return before === '' || /[\s\p{P}]$/u.test(before) || /^[\p{Ps}\p{Pi}]/u.test(opening)
    ? before.length
    : start
}
