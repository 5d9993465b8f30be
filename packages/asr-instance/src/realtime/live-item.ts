import type { Transcription } from '../engine/engine.js'
import { GrowingAudio } from './growing-audio.js'
import { DeltaWriter } from './stable-text.js'

export type TranscribeSamples = (
  samples: Float32Array,
  options: { signal: AbortSignal; onDelta?: (delta: string) => void },
) => Promise<Transcription>

export interface LiveItemOptions {
  id: string
  transcribe: TranscribeSamples
  onDelta: (delta: string) => void
  /** False while the engine has more important work for this session. */
  mayStep: () => boolean
}

const sampleRate = 16_000
/** As in the official streaming rule: a hypothesis for each further 2 s of sound. */
const stepSamples = 2 * sampleRate
/** A longer tail is cut, so that the cost of a step does not grow with the recording. */
const longestTailSamples = 20 * sampleRate
const cutFromSamples = 8 * sampleRate
const cutToSamples = 16 * sampleRate

/** One utterance while it is spoken: its sound so far, and the text that is already certain. */
export class LiveItem {
  readonly id: string
  readonly audio = new GrowingAudio()
  readonly #options: LiveItemOptions
  readonly #writer: DeltaWriter
  readonly #abort = new AbortController()
  #nextStepAt = stepSamples
  #running: Promise<void> | null = null
  /** The text of what stands before is decided. */
  #tailStart = 0

  constructor(options: LiveItemOptions) {
    this.id = options.id
    this.#options = options
    this.#writer = new DeltaWriter(options.onDelta)
  }

  append(samples: Float32Array): void {
    this.audio.append(samples)
    this.considerStep()
  }

  /** Starts a step if one is due; call it also when `mayStep` turns true. */
  considerStep(): void {
    if (this.#running || this.#abort.signal.aborted || this.audio.length < this.#nextStepAt) return
    if (!this.#options.mayStep()) return
    this.#nextStepAt = this.audio.length + stepSamples
    this.#running = this.#step()
      // A hypothesis that fails is one that is not shown; the final text will tell.
      .catch(() => {})
      .finally(() => {
        this.#running = null
        this.considerStep()
      })
  }

  /** Ends the hypotheses and transcribes all of it, exactly as an upload of the same sound would be. */
  async finish(signal: AbortSignal): Promise<Transcription> {
    this.cancel()
    await this.#running
    let text = ''
    const onDelta = (delta: string) => {
      text += delta
      this.#writer.finish(text)
    }
    const result = await this.#options.transcribe(this.audio.slice(0), { signal, onDelta })
    this.#writer.finish(result.text)
    return result
  }

  cancel(): void {
    this.#abort.abort()
  }

  async #step(): Promise<void> {
    const { transcribe } = this.#options
    const { signal } = this.#abort
    const end = this.audio.length
    while (end - this.#tailStart > longestTailSamples) {
      const cut = this.audio.quietestPoint(
        this.#tailStart + cutFromSamples,
        this.#tailStart + cutToSamples,
        sampleRate / 10,
      )
      const { text } = await transcribe(this.audio.slice(this.#tailStart, cut), { signal })
      this.#writer.decide(text)
      this.#tailStart = cut
    }
    const { text } = await transcribe(this.audio.slice(this.#tailStart, end), { signal })
    if (!signal.aborted) this.#writer.guess(text)
  }
}
