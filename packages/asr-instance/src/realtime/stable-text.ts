import { separatorBetween } from '../engine/text/join.js'

const segmenter = new Intl.Segmenter('und', { granularity: 'word' })

/**
 * Turns guesses, which grow at their end, and the decided texts that replace them, into deltas, which cannot be taken
 * back. Whole words are given out; if a decided text has another word in the place of one, the text goes on behind it.
 */
export class DeltaWriter {
  readonly #emit: (delta: string, tentative: string) => void
  #emitted = ''
  #tentative = ''
  /** Words of the present part that were emitted. */
  #said: string[] = []
  /** They were emitted as words of the part before, so they may be none of this one. */
  #isCarried = false

  /** `tentative` is what stands behind all deltas at the moment, and may still change. */
  constructor(emit: (delta: string, tentative: string) => void) {
    this.#emit = emit
  }

  /** A guess at the part of the recording that is not decided yet; its first `certain` characters will stay. */
  guess(text: string, certain: number): void {
    // A word whose end is not certain may go on.
    const found = wordsOf(text)
    this.#advance(
      text,
      found.filter((_, index) => (found[index + 1]?.start ?? Infinity) <= certain),
    )
  }

  /** The beginning of the part is decided; the next guess is about the rest, of which some may be emitted. */
  decide(text: string): void {
    const found = wordsOf(text)
    this.#advance(text, found)
    this.#said = this.#said.slice(found.length)
    this.#isCarried = this.#said.length > 0
  }

  /** The text of all: emits what is new, unless it contradicts what was emitted already. */
  finish(text: string): void {
    const isMore = text.length > this.#emitted.length && text.startsWith(this.#emitted)
    this.#write(isMore ? text.slice(this.#emitted.length) : '', '')
  }

  /** Emits those of the words of `text`, its first ones, that were not emitted. */
  #advance(text: string, words: readonly Word[]): void {
    const all = wordsOf(text)
    if (this.#isCarried && all.length > 0) this.#dropForeign(all)
    const from = placeOf(text, all, this.#said.length)
    const to = words.length <= this.#said.length ? from : placeOf(text, all, words.length)
    // Between two parts there is no text that tells whether a space belongs there.
    const part = text.slice(from, to).trim()
    const followsSpace = /\s$/u.test(text.slice(0, from))
    const separator = followsSpace ? ' ' : from === 0 ? separatorBetween(this.#emitted, part) : ''
    this.#said.push(...words.slice(this.#said.length).map(({ word }) => word))
    this.#write(part === '' ? '' : separator + part, text.slice(to).trim())
  }

  /** What a guess had beyond its part is the beginning of this one, unless most of its words are others. */
  #dropForeign(words: readonly Word[]): void {
    const compared = Math.min(words.length, this.#said.length)
    const same = words.slice(0, compared).filter(({ word }, index) => word === this.#said[index])
    if (2 * same.length < compared) this.#said = []
    this.#isCarried = false
  }

  #write(delta: string, tentative: string): void {
    if (delta === '' && tentative === this.#tentative) return
    this.#emitted += delta
    this.#tentative = tentative
    this.#emit(delta, tentative)
  }
}

interface Word {
  word: string
  start: number
}

function wordsOf(text: string): Word[] {
  return [...segmenter.segment(text)]
    .filter(({ isWordLike }) => isWordLike)
    .map(({ segment, index }) => ({ word: segment.toLowerCase(), start: index }))
}

/** Where the word with this number begins; the end of the text behind the last one. */
function placeOf(text: string, words: readonly Word[], number: number): number {
  const word = words[number]
  if (number === 0) return 0
  return word === undefined ? text.length : withOpening(text, word.start)
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
