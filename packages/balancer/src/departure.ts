/**
 * Whether the client of a request has gone away. What an AbortSignal would do, for one listener at a time: the stages of
 * a request follow one another, and there is one of these for each request.
 */
export class Departure {
  #gone = false
  #isPreempted = false
  #listener: (() => void) | undefined

  get gone(): boolean {
    return this.#gone
  }

  /** The work is to end although the client is here: its slot is wanted by a request that matters more. */
  get isPreempted(): boolean {
    return this.#isPreempted
  }

  /** Takes the place of the listener before; the returned function takes this one away. */
  onGone(listener: () => void): () => void {
    this.#listener = listener
    return () => {
      if (this.#listener === listener) this.#listener = undefined
    }
  }

  preempt(): void {
    if (this.#gone) return
    this.#isPreempted = true
    this.announce()
  }

  announce(): void {
    if (this.#gone) return
    this.#gone = true
    const listener = this.#listener
    this.#listener = undefined
    listener?.()
  }
}
