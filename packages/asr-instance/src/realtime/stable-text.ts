const words = new Intl.Segmenter('und', { granularity: 'word' })
/** Words at the end of a hypothesis that the next seconds of sound may still change. */
const heldBackWords = 3

/** The text without its last words, which were heard without what follows them. */
export function withoutLastWords(text: string): string {
  const pieces = [...words.segment(text)].filter(({ isWordLike }) => isWordLike)
  const firstHeldBack = pieces.at(-heldBackWords)
  if (firstHeldBack === undefined || pieces.length <= heldBackWords) return ''
  return text.slice(0, firstHeldBack.index).trimEnd()
}

/** Turns texts that grow, and sometimes change their mind, into deltas, which cannot be taken back. */
export class DeltaWriter {
  readonly #emit: (delta: string) => void
  #emitted = ''

  constructor(emit: (delta: string) => void) {
    this.#emit = emit
  }

  /** Emits what is new; nothing when the text contradicts what was emitted already. */
  update(text: string): void {
    if (text.length <= this.#emitted.length || !text.startsWith(this.#emitted)) return
    const delta = text.slice(this.#emitted.length)
    this.#emitted = text
    this.#emit(delta)
  }
}
