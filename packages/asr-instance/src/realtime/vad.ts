import { engineSampleRate } from '../audio/engine-sample-rate.js'
import { FrameCutter } from './growing-audio.js'

export interface VadOptions {
  /** 0 to 1: how far above the noise floor speech must stand; 0.5 is 12 dB. */
  threshold: number
  /** This long a pause ends an utterance. */
  silenceDurationMs: number
}

export interface VadEvent {
  type: 'started' | 'stopped'
  /** In samples since the detector was made: where speech begins, or the end of the pause behind it. */
  at: number
}

const frameSamples = 320 // 20 ms
/** Frames above the threshold in a row that begin an utterance: a click is shorter. */
const startFrames = 3
/** Quieter than this is silence, however quiet the background. */
const gateDb = -55

/**
 * Voice activity by energy over an adaptive noise floor. It follows the level of the room down at once and up
 * slowly, so that a steady noise becomes background after some seconds and speech does not.
 */
export class VoiceActivityDetector {
  #options: VadOptions
  readonly #frames = new FrameCutter(frameSamples)
  #position = 0
  #floorDb = gateDb
  #speaking: boolean
  #loudFrames = 0
  #quietFrames = 0

  /** `speaking`: an utterance has begun before. */
  constructor(options: VadOptions, speaking = false) {
    this.#options = options
    this.#speaking = speaking
  }

  /** Goes on with other options; what it knows of the room stays. */
  configure(options: VadOptions): void {
    this.#options = options
  }

  get speaking(): boolean {
    return this.#speaking
  }

  /** Samples are mono at 16 kHz. */
  push(samples: Float32Array): VadEvent[] {
    const events: VadEvent[] = []
    for (const frame of this.#frames.push(samples)) {
      const event = this.#frame(levelDb(frame))
      if (event) events.push(event)
    }
    return events
  }

  #frame(level: number): VadEvent | null {
    this.#position += frameSamples
    const marginDb = 24 * this.#options.threshold
    // Going on is easier than beginning: words fade out.
    const neededDb = Math.max(gateDb, this.#floorDb + (this.#speaking ? 0.6 : 1) * marginDb)
    const isLoud = level > neededDb
    this.#follow(level)
    this.#loudFrames = isLoud ? this.#loudFrames + 1 : 0
    this.#quietFrames = isLoud ? 0 : this.#quietFrames + 1
    if (!this.#speaking && this.#loudFrames >= startFrames) {
      this.#speaking = true
      return { type: 'started', at: this.#position - startFrames * frameSamples }
    }
    const silenceFrames = Math.ceil(
      (this.#options.silenceDurationMs * engineSampleRate) / 1000 / frameSamples,
    )
    if (this.#speaking && this.#quietFrames >= silenceFrames) {
      this.#speaking = false
      return { type: 'stopped', at: this.#position }
    }
    return null
  }

  #follow(level: number): void {
    const rate = level < this.#floorDb ? 0.3 : this.#speaking ? 0.003 : 0.01
    this.#floorDb += rate * (level - this.#floorDb)
  }
}

function levelDb(frame: Float32Array): number {
  let power = 0
  for (const sample of frame) power += sample * sample
  return 10 * Math.log10(power / frame.length + 1e-10)
}
