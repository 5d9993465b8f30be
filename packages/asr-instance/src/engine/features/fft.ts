import { runStage, type Stage } from './butterflies.js'

/**
 * Power spectrum of real frames of any even length whose half has only small prime factors (Whisper's 400 is not a
 * power of two, for which libraries are made). Stockham autosort, decimation in frequency, in float64, on the even and
 * odd samples packed as one complex sequence of half the length.
 */
export class RealPowerSpectrum {
  readonly #half: number
  readonly #stages: Stage[]
  readonly #unpack: Float64Array
  #a: Float64Array
  #b: Float64Array

  constructor(length: number) {
    this.#half = length / 2
    this.#stages = planStages(this.#half)
    this.#unpack = unitRoots(length, this.#half + 1)
    this.#a = new Float64Array(length)
    this.#b = new Float64Array(length)
  }

  /** `frame [length]` → `power [length / 2 + 1]`, squared magnitudes. */
  transform(frame: Float64Array, power: Float64Array): void {
    this.#a.set(frame)
    for (const stage of this.#stages) {
      runStage(stage, this.#a, this.#b)
      ;[this.#a, this.#b] = [this.#b, this.#a]
    }
    const half = this.#half
    const z = this.#a
    for (let k = 0; k <= half; k++) {
      const i = 2 * (k % half)
      const j = 2 * ((half - k) % half)
      const evenRe = (z[i]! + z[j]!) / 2
      const evenIm = (z[i + 1]! - z[j + 1]!) / 2
      const oddRe = (z[i + 1]! + z[j + 1]!) / 2
      const oddIm = (z[j]! - z[i]!) / 2
      const wRe = this.#unpack[2 * k]!
      const wIm = this.#unpack[2 * k + 1]!
      const re = evenRe + wRe * oddRe - wIm * oddIm
      const im = evenIm + wRe * oddIm + wIm * oddRe
      power[k] = re * re + im * im
    }
  }
}

function planStages(length: number): Stage[] {
  const stages: Stage[] = []
  let remaining = length
  let stride = 1
  while (remaining > 1) {
    const radix = [4, 2, 3, 5, 7].find((candidate) => remaining % candidate === 0)
    if (radix === undefined) throw new RangeError(`no transform for a length with the factor ${remaining}`)
    const rest = remaining / radix
    stages.push({
      radix,
      rest,
      stride,
      twiddles: products(remaining, rest, radix),
      butterfly: products(radix, radix, radix),
    })
    remaining = rest
    stride *= radix
  }
  return stages
}

/** w_n^(i·k) for i < rows, k < columns. */
function products(n: number, rows: number, columns: number): Float64Array {
  const table = new Float64Array(2 * rows * columns)
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < columns; k++) {
      const angle = (-2 * Math.PI * ((i * k) % n)) / n
      table[2 * (i * columns + k)] = Math.cos(angle)
      table[2 * (i * columns + k) + 1] = Math.sin(angle)
    }
  }
  return table
}

function unitRoots(n: number, count: number): Float64Array {
  return products(n, count, 2).filter((_, i) => i % 4 >= 2)
}
