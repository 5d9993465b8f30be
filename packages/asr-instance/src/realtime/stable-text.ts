import { separatorBetween } from '../engine/text/join.js'

const words = new Intl.Segmenter('und', { granularity: 'word' })
/** Words at the end of a hypothesis that the next seconds of sound may still change. */
const heldBackWords = 3

/**
 * Turns hypotheses, which grow and sometimes change their mind, into deltas, which cannot be taken back. A word
 * counts as said once three others follow it; if a later hypothesis has another word in its place, the text goes on
 * behind it, as it would if the decoder had been made to keep it.
 */
export class DeltaWriter {
  readonly #emit: (delta: string) => void
  #emitted = ''
  /** Words of the present part that were emitted. */
  #emittedWords = 0

  constructor(emit: (delta: string) => void) {
    this.#emit = emit
  }

  /** A guess at the part of the recording that is not decided yet. */
  guess(text: string): void {
    this.#advance(text, heldBackWords)
  }

  /** The beginning of the part is decided; the next guess is about the rest, of which some may be emitted. */
  decide(text: string): void {
    this.#advance(text, 0)
    this.#emittedWords -= Math.min(this.#emittedWords, wordStarts(text).length)
  }

  /** The text of all, while it is decoded: emits what is new, unless it contradicts what was emitted already. */
  finish(text: string): void {
    if (text.length > this.#emitted.length && text.startsWith(this.#emitted)) {
      this.#write(text.slice(this.#emitted.length))
    }
  }

  #advance(text: string, heldBack: number): void {
    const starts = wordStarts(text)
    const certain = starts.length - heldBack
    if (certain <= this.#emittedWords) return
    const from = this.#emittedWords === 0 ? 0 : withOpening(text, starts[this.#emittedWords] as number)
    const to = heldBack === 0 ? text.length : withOpening(text, starts[certain] as number)
    const addition = text.slice(from, to).trim()
    // Between two parts there is no text that tells whether a space belongs there.
    const followsSpace = /\s$/u.test(text.slice(0, from))
    const separator = followsSpace ? ' ' : from === 0 ? separatorBetween(this.#emitted, addition) : ''
    this.#emittedWords = certain
    this.#write(separator + addition)
  }

  #write(delta: string): void {
    this.#emitted += delta
    this.#emit(delta)
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
