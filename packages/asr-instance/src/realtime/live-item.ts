import type { LiveOptions, LiveTranscription, Transcription } from '../engine/engine.js'
import { DeltaWriter } from './stable-text.js'

export interface LiveItemOptions {
  id: string
  listen: (callbacks: Pick<LiveOptions, 'onGuess' | 'onDecided' | 'onFailed'>) => LiveTranscription
  /** `tentative` is the text behind all deltas that may still change. */
  onDelta: (delta: string, tentative: string) => void
  /** It takes no more sound; `finish` tells why. */
  onFailed: (item: LiveItem) => void
}

/** One utterance while it is spoken. */
export class LiveItem {
  readonly id: string
  readonly #live: LiveTranscription
  readonly #writer: DeltaWriter
  #samples = 0

  constructor({ id, listen, onDelta, onFailed }: LiveItemOptions) {
    this.id = id
    this.#writer = new DeltaWriter(onDelta)
    this.#live = listen({
      onGuess: (text, certain) => this.#writer.guess(text, certain),
      onDecided: (text) => this.#writer.decide(text),
      onFailed: () => onFailed(this),
    })
  }

  /** Samples so far. */
  get length(): number {
    return this.#samples
  }

  get undecidedSeconds(): number {
    return this.#live.undecidedSeconds()
  }

  append(samples: Float32Array): void {
    this.#samples += samples.length
    this.#live.push(samples)
  }

  /** No more is said. Resolves with what an upload of the same sound gets, once the last delta is out. */
  async finish(): Promise<Transcription> {
    const result = await this.#live.finish()
    this.#writer.finish(result.text)
    return result
  }

  cancel(): void {
    this.#live.cancel()
  }
}
