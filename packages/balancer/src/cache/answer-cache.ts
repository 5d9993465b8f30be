import type { Answer } from '../exchange/answer.js'

/** What an entry costs besides its text. */
const overheadBytes = 512

/** Whole answers by key, in memory. What was not used for the longest time goes first. */
export class AnswerCache {
  readonly maxBytes: number
  /** In the order of use, the latest last. */
  readonly #entries = new Map<string, { answer: Answer; bytes: number }>()
  #bytes = 0

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: string): Answer | undefined {
    const entry = this.#entries.get(key)
    if (!entry) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry.answer
  }

  /** Keeps the answer unless it is larger than the whole cache. */
  set(key: string, answer: Answer): void {
    this.#delete(key)
    const bytes = sizeOf(answer) + key.length + overheadBytes
    if (bytes > this.maxBytes) return
    this.#entries.set(key, { answer, bytes })
    this.#bytes += bytes
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.maxBytes) break
      this.#delete(oldest)
    }
  }

  #delete(key: string): void {
    const entry = this.#entries.get(key)
    if (!entry) return
    this.#entries.delete(key)
    this.#bytes -= entry.bytes
  }
}

function sizeOf({ body, headers }: Answer): number {
  return body.length + headers.reduce((sum, text) => sum + text.length, 0)
}
