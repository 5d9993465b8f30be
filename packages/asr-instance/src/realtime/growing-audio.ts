/** Mono samples that are appended to and cut at any place. */
export class GrowingAudio {
  #data = new Float32Array(16_000)
  #length = 0

  get length(): number {
    return this.#length
  }

  append(samples: Float32Array): void {
    if (this.#length + samples.length > this.#data.length) {
      const grown = new Float32Array(Math.max(this.#data.length * 2, this.#length + samples.length))
      grown.set(this.#data.subarray(0, this.#length))
      this.#data = grown
    }
    this.#data.set(samples, this.#length)
    this.#length += samples.length
  }

  /** A copy. */
  slice(from: number, to = this.#length): Float32Array {
    return this.#data.slice(Math.max(0, from), Math.min(to, this.#length))
  }

  /** Keeps the last `count` samples only. Returns how many were dropped. */
  keepLast(count: number): number {
    const drop = Math.max(0, this.#length - count)
    if (drop > 0) {
      this.#data.copyWithin(0, drop, this.#length)
      this.#length -= drop
    }
    return drop
  }
}

/** Re-cuts sound into frames of one length, however it arrives. */
export class FrameCutter {
  readonly #frameSamples: number
  #rest = new Float32Array(0)

  constructor(frameSamples: number) {
    this.#frameSamples = frameSamples
  }

  *push(samples: Float32Array): Generator<Float32Array> {
    const joined = new Float32Array(this.#rest.length + samples.length)
    joined.set(this.#rest)
    joined.set(samples, this.#rest.length)
    let at = 0
    for (; at + this.#frameSamples <= joined.length; at += this.#frameSamples) {
      yield joined.subarray(at, at + this.#frameSamples)
    }
    this.#rest = joined.slice(at)
  }

  /** What is left of an incomplete frame. */
  takeRest(): Float32Array {
    const rest = this.#rest
    this.#rest = new Float32Array(0)
    return rest
  }
}
