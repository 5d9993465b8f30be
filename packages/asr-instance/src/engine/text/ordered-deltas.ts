import { separatorBetween } from './join.js'

/** Gives out the deltas of pieces that are decoded side by side in the order of the recording. */
export class OrderedDeltas {
  readonly #emit: (delta: string) => void
  readonly #held = new Map<number, string>()
  readonly #finished = new Set<number>()
  #current = 0
  /** End of the text given out so far, to choose what stands before the next piece. */
  #tail = ''
  #startOfPiece = true

  constructor(emit: (delta: string) => void) {
    this.#emit = emit
  }

  push(piece: number, delta: string): void {
    if (delta === '') return
    if (piece === this.#current) this.#give(delta)
    else this.#held.set(piece, (this.#held.get(piece) ?? '') + delta)
  }

  finish(piece: number): void {
    this.#finished.add(piece)
    while (this.#finished.delete(this.#current)) {
      this.#current++
      this.#startOfPiece = true
      const held = this.#held.get(this.#current)
      this.#held.delete(this.#current)
      if (held !== undefined) this.#give(held)
    }
  }

  #give(delta: string): void {
    const text = this.#startOfPiece ? delta.trimStart() : delta
    if (text === '') return
    const separator = this.#startOfPiece ? separatorBetween(this.#tail, text) : ''
    this.#startOfPiece = false
    this.#tail = (this.#tail + text).slice(-2)
    this.#emit(separator + text)
  }
}
