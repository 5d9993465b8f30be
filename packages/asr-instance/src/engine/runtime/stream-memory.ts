import type { SequenceCache } from './sequence-cache.js'

/**
 * What need not be computed again while one recording grows: the features of its finished attention windows, and keys
 * and values of the prompt so far. Both are found by content, window by window and token by token, so whatever the
 * sound does (a louder peak moves the floor of all its features), what is used again is what would be computed.
 */
export class StreamMemory {
  readonly #windows: { mel: Float32Array; features: Float32Array }[] = []
  #prompt: { embeds: Float32Array; cache: SequenceCache } | undefined

  /** Features of a window, if its mel frames are those of the last time. */
  features(window: number, mel: Float32Array): Float32Array | undefined {
    const known = this.#windows[window]
    return known && known.mel.length === mel.length && equalValues(known.mel, mel) === mel.length
      ? known.features
      : undefined
  }

  keepFeatures(window: number, mel: Float32Array, features: Float32Array): void {
    // An array without holes: windows behind a missing one are of no use before it is there.
    if (window <= this.#windows.length) this.#windows[window] = { mel, features }
  }

  /**
   * The cache of the last prompt, cut to the tokens at its beginning that are the same in `embeds`
   * (`[tokens, hidden]`), but for the last, whose answer is wanted. It belongs to the caller until `keepPrompt`.
   */
  takePrompt(embeds: Float32Array, hidden: number): SequenceCache | undefined {
    const prompt = this.#prompt
    this.#prompt = undefined
    if (!prompt) return undefined
    const common = Math.floor(equalValues(prompt.embeds, embeds) / hidden)
    prompt.cache.truncate(Math.min(common, embeds.length / hidden - 1))
    return prompt.cache
  }

  /** In place of another one, whose memory is given back. */
  keepPrompt(embeds: Float32Array, cache: SequenceCache): void {
    this.release()
    this.#prompt = { embeds, cache }
  }

  /** Nothing more will come. */
  release(): void {
    this.#prompt?.cache.removeRow(0)
    this.#prompt = undefined
  }
}

/** How many values at the beginning are the same. */
function equalValues(a: Float32Array, b: Float32Array): number {
  const length = Math.min(a.length, b.length)
  let i = 0
  while (i < length && a[i] === b[i]) i++
  return i
}
