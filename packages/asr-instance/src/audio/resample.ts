/** Zero crossings of the sinc on each side, at the lower of the two rates. */
const zeroCrossings = 48
/** Of the Kaiser window, for 90 dB of stop-band attenuation (Kaiser and Schafer 1980: 0.1102 (A - 8.7)). */
const kaiserBeta = 0.1102 * (90 - 8.7)
/**
 * Of the lower Nyquist frequency. With 96 taps and 90 dB the transition is 0.119 wide, so the stop band begins
 * exactly at Nyquist and the pass band reaches 0.88 of it (7 kHz at 16 kHz).
 */
const cutoff = 1 - 0.119 / 2
/** Above this the exact polyphase table (for rates that share no factor) is replaced by interpolation. */
const maxTableEntries = 2 ** 18
const outputBlock = 16_384

interface Table {
  phases: number
  taps: number
  /** Row p holds the taps for a fractional delay of p / phases; one more row closes the circle. */
  weights: Float64Array
}

/**
 * Streaming polyphase windowed-sinc resampler. Output sample k stands at time k * fromRate / toRate of the input
 * (no delay), the length is round(n * toRate / fromRate), and a constant keeps its value to the last bit of a
 * float: every phase sums to 1.
 */
export class Resampler {
  readonly #up: number
  readonly #down: number
  readonly #table: Table
  readonly #exact: boolean
  /** Input from `#bufferStart` on; the samples before 0 are silence. Doubles, which the sums need anyway. */
  #buffer: Float64Array
  #bufferStart: number
  #inputLength = 0
  #outputLength = 0
  /** The next output stands at input position #base + #phase / #up. */
  #base = 0
  #phase = 0

  constructor(fromRate: number, toRate: number) {
    const divisor = greatestCommonDivisor(fromRate, toRate)
    this.#up = toRate / divisor
    this.#down = fromRate / divisor
    this.#table = tableFor(this.#up, this.#down)
    this.#exact = this.#table.phases === this.#up
    const before = this.#table.taps / 2 - 1
    this.#buffer = new Float64Array(before)
    this.#bufferStart = -before
  }

  /** Takes the next input; yields what can be computed, in blocks of bounded size. */
  *push(input: Float32Array): Generator<Float32Array> {
    this.#inputLength += input.length
    this.#append(input)
    yield* this.#produce(Number.POSITIVE_INFINITY)
  }

  /** Yields the rest, as if silence followed. */
  *end(): Generator<Float32Array> {
    const total = Math.round((this.#inputLength * this.#up) / this.#down)
    const last = Math.ceil((total * this.#down) / this.#up) + this.#table.taps
    const bufferEnd = this.#bufferStart + this.#buffer.length
    if (last > bufferEnd) this.#append(new Float32Array(last - bufferEnd))
    yield* this.#produce(total)
  }

  #append(input: Float32Array): void {
    const keepFrom = Math.min(this.#buffer.length, this.#base - this.#table.taps / 2 + 1 - this.#bufferStart)
    const kept = this.#buffer.subarray(keepFrom)
    const joined = new Float64Array(kept.length + input.length)
    joined.set(kept)
    joined.set(input, kept.length)
    this.#buffer = joined
    this.#bufferStart += keepFrom
  }

  *#produce(total: number): Generator<Float32Array> {
    const available = this.#bufferStart + this.#buffer.length - this.#table.taps / 2
    while (this.#outputLength < total && this.#base < available) {
      const steps = Math.ceil(((available - this.#base) * this.#up - this.#phase) / this.#down)
      const count = Math.max(1, Math.min(outputBlock, steps, total - this.#outputLength))
      const output = new Float32Array(count)
      if (this.#exact) this.#convolveBlock(output)
      else this.#interpolateBlock(output)
      const position = this.#phase + count * this.#down
      this.#base += Math.floor(position / this.#up)
      this.#phase = position % this.#up
      this.#outputLength += count
      yield output
    }
  }

  /** Outputs that are `#up` apart have the same phase: row by row, each weight is read once for eight of them. */
  #convolveBlock(output: Float32Array): void {
    const { taps, weights } = this.#table
    const buffer = this.#buffer
    const up = this.#up
    const down = this.#down
    const start = this.#base - taps / 2 + 1 - this.#bufferStart
    for (let first = 0; first < Math.min(up, output.length); first++) {
      const position = this.#phase + first * down
      const row = (position % up) * taps
      let from = start + Math.floor(position / up)
      let at = first
      for (; at + 7 * up < output.length; at += 8 * up, from += 8 * down) {
        convolveEight(weights, row, taps, buffer, from, down, output, at, up)
      }
      for (; at < output.length; at += up, from += down) {
        output[at] = convolve(weights, row, taps, buffer, from)
      }
    }
  }

  #interpolateBlock(output: Float32Array): void {
    const { taps, weights, phases } = this.#table
    const buffer = this.#buffer
    const up = this.#up
    const start = this.#base - taps / 2 + 1 - this.#bufferStart
    for (let at = 0; at < output.length; at++) {
      const position = this.#phase + at * this.#down
      const from = start + Math.floor(position / up)
      const delay = ((position % up) / up) * phases
      const row = Math.floor(delay)
      const fraction = delay - row
      let below = 0
      let above = 0
      for (let w = row * taps, end = w + taps, b = from; w < end; w++, b++) {
        const sample = buffer[b] as number
        below += (weights[w] as number) * sample
        above += (weights[w + taps] as number) * sample
      }
      output[at] = (1 - fraction) * below + fraction * above
    }
  }
}

function convolve(
  weights: Float64Array,
  row: number,
  taps: number,
  buffer: Float64Array,
  from: number,
): number {
  let sum = 0
  for (let w = row, end = row + taps, b = from; w < end; w++, b++) {
    sum += (weights[w] as number) * (buffer[b] as number)
  }
  return sum
}

/**
 * Output `at + i * up` is the convolution at `from + i * down`, for i from 0 to 7. Each sums in the order of `convolve`,
 * so that the two agree to the last bit, however the input was cut.
 */
function convolveEight(
  weights: Float64Array,
  row: number,
  taps: number,
  buffer: Float64Array,
  from: number,
  down: number,
  output: Float32Array,
  at: number,
  up: number,
): void {
  let sum0 = 0
  let sum1 = 0
  let sum2 = 0
  let sum3 = 0
  let sum4 = 0
  let sum5 = 0
  let sum6 = 0
  let sum7 = 0
  for (let w = row, end = row + taps, b = from; w < end; w++, b++) {
    const weight = weights[w] as number
    sum0 += weight * (buffer[b] as number)
    sum1 += weight * (buffer[b + down] as number)
    sum2 += weight * (buffer[b + 2 * down] as number)
    sum3 += weight * (buffer[b + 3 * down] as number)
    sum4 += weight * (buffer[b + 4 * down] as number)
    sum5 += weight * (buffer[b + 5 * down] as number)
    sum6 += weight * (buffer[b + 6 * down] as number)
    sum7 += weight * (buffer[b + 7 * down] as number)
  }
  output[at] = sum0
  output[at + up] = sum1
  output[at + 2 * up] = sum2
  output[at + 3 * up] = sum3
  output[at + 4 * up] = sum4
  output[at + 5 * up] = sum5
  output[at + 6 * up] = sum6
  output[at + 7 * up] = sum7
}

/** A few rates make up nearly all requests, and a table takes milliseconds to compute. */
const tables = new Map<string, Table>()
const maxTables = 8

function tableFor(up: number, down: number): Table {
  const key = `${up}/${down}`
  const known = tables.get(key)
  if (known) return known
  const table = buildTable(up, down)
  const oldest = tables.keys().next()
  if (tables.size >= maxTables && !oldest.done) tables.delete(oldest.value)
  tables.set(key, table)
  return table
}

function buildTable(up: number, down: number): Table {
  const stretch = Math.max(1, down / up)
  const half = Math.ceil(zeroCrossings * stretch)
  const taps = 2 * half
  const phases = Math.min(up, Math.max(32, Math.floor(maxTableEntries / taps)))
  const weights = new Float64Array((phases + 1) * taps)
  for (let phase = 0; phase <= phases; phase++) {
    const row = weights.subarray(phase * taps, (phase + 1) * taps)
    let sum = 0
    for (let i = 0; i < taps; i++) {
      const distance = (i - half + 1 - phase / phases) / stretch
      const weight = sinc(cutoff * distance) * kaiser(distance / zeroCrossings)
      row[i] = weight
      sum += weight
    }
    for (let i = 0; i < taps; i++) row[i] = (row[i] as number) / sum
  }
  return { phases, taps, weights }
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x)
}

function kaiser(x: number): number {
  return Math.abs(x) >= 1 ? 0 : bessel0(kaiserBeta * Math.sqrt(1 - x * x)) / bessel0(kaiserBeta)
}

/** Modified Bessel function of the first kind and order 0, by its power series. */
function bessel0(x: number): number {
  const quarter = (x * x) / 4
  let term = 1
  let sum = 1
  for (let k = 1; term > sum * 1e-16; k++) {
    term *= quarter / (k * k)
    sum += term
  }
  return sum
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
