/** One stage of the Stockham transform: `radix` inputs at distance `stride · rest` become `radix` outputs. */
export interface Stage {
  radix: number
  rest: number
  stride: number
  /** w_n^(p·k) for p < rest, k < radix, as re, im pairs. */
  twiddles: Float64Array
  /** w_radix^(j·k) as re, im pairs. */
  butterfly: Float64Array
}

/** Computes a stage from one array of re, im pairs into another. */
export function runStage(stage: Stage, from: Float64Array, to: Float64Array): void {
  if (stage.radix === 4) runFours(stage, from, to)
  else if (stage.radix === 5) runFives(stage, from, to)
  else runAny(stage, from, to)
}

/** By definition. */
function runAny({ radix, rest, stride, twiddles, butterfly }: Stage, from: Float64Array, to: Float64Array) {
  const distance = 2 * stride * rest
  for (let p = 0; p < rest; p++) {
    for (let k = 0; k < radix; k++) {
      const twiddle = 2 * (p * radix + k)
      for (let q = 0; q < stride; q++) {
        let re = 0
        let im = 0
        let at = 2 * (q + stride * p)
        for (let j = 0; j < radix; j++, at += distance) {
          const root = 2 * (j * radix + k)
          re += from[at]! * butterfly[root]! - from[at + 1]! * butterfly[root + 1]!
          im += from[at]! * butterfly[root + 1]! + from[at + 1]! * butterfly[root]!
        }
        put(to, 2 * (q + stride * (radix * p + k)), re, im, twiddles, twiddle)
      }
    }
  }
}

/** Four inputs need no multiplication: the roots are 1, -i, -1, i. */
function runFours({ rest, stride, twiddles }: Stage, from: Float64Array, to: Float64Array) {
  const distance = 2 * stride * rest
  const step = 2 * stride
  for (let p = 0; p < rest; p++) {
    const twiddle = 8 * p
    for (let q = 0; q < stride; q++) {
      const a = 2 * (q + stride * p)
      const b = a + distance
      const c = b + distance
      const d = c + distance
      const sumRe = from[a]! + from[c]!
      const sumIm = from[a + 1]! + from[c + 1]!
      const differenceRe = from[a]! - from[c]!
      const differenceIm = from[a + 1]! - from[c + 1]!
      const otherSumRe = from[b]! + from[d]!
      const otherSumIm = from[b + 1]! + from[d + 1]!
      const otherRe = from[b]! - from[d]!
      const otherIm = from[b + 1]! - from[d + 1]!
      const out = 2 * (q + stride * 4 * p)
      to[out] = sumRe + otherSumRe
      to[out + 1] = sumIm + otherSumIm
      put(to, out + step, differenceRe + otherIm, differenceIm - otherRe, twiddles, twiddle + 2)
      put(to, out + 2 * step, sumRe - otherSumRe, sumIm - otherSumIm, twiddles, twiddle + 4)
      put(to, out + 3 * step, differenceRe - otherIm, differenceIm + otherRe, twiddles, twiddle + 6)
    }
  }
}

const cos1 = Math.cos((2 * Math.PI) / 5)
const cos2 = Math.cos((4 * Math.PI) / 5)
const sin1 = Math.sin((2 * Math.PI) / 5)
const sin2 = Math.sin((4 * Math.PI) / 5)

/** Five inputs: the second and the last, the third and the fourth belong together, since their roots are conjugates. */
function runFives({ rest, stride, twiddles }: Stage, from: Float64Array, to: Float64Array) {
  const distance = 2 * stride * rest
  const step = 2 * stride
  for (let p = 0; p < rest; p++) {
    const twiddle = 10 * p
    for (let q = 0; q < stride; q++) {
      const a = 2 * (q + stride * p)
      const b = a + distance
      const c = b + distance
      const d = c + distance
      const e = d + distance
      const outerRe = from[b]! + from[e]!
      const outerIm = from[b + 1]! + from[e + 1]!
      const innerRe = from[c]! + from[d]!
      const innerIm = from[c + 1]! + from[d + 1]!
      const outerDifferenceRe = from[b]! - from[e]!
      const outerDifferenceIm = from[b + 1]! - from[e + 1]!
      const innerDifferenceRe = from[c]! - from[d]!
      const innerDifferenceIm = from[c + 1]! - from[d + 1]!
      const re1 = from[a]! + cos1 * outerRe + cos2 * innerRe
      const im1 = from[a + 1]! + cos1 * outerIm + cos2 * innerIm
      const re2 = from[a]! + cos2 * outerRe + cos1 * innerRe
      const im2 = from[a + 1]! + cos2 * outerIm + cos1 * innerIm
      const turnRe1 = sin1 * outerDifferenceIm + sin2 * innerDifferenceIm
      const turnIm1 = sin1 * outerDifferenceRe + sin2 * innerDifferenceRe
      const turnRe2 = sin2 * outerDifferenceIm - sin1 * innerDifferenceIm
      const turnIm2 = sin2 * outerDifferenceRe - sin1 * innerDifferenceRe
      const out = 2 * (q + stride * 5 * p)
      to[out] = from[a]! + outerRe + innerRe
      to[out + 1] = from[a + 1]! + outerIm + innerIm
      put(to, out + step, re1 + turnRe1, im1 - turnIm1, twiddles, twiddle + 2)
      put(to, out + 2 * step, re2 + turnRe2, im2 - turnIm2, twiddles, twiddle + 4)
      put(to, out + 3 * step, re2 - turnRe2, im2 + turnIm2, twiddles, twiddle + 6)
      put(to, out + 4 * step, re1 - turnRe1, im1 + turnIm1, twiddles, twiddle + 8)
    }
  }
}

/** A value times its twiddle factor. */
function put(to: Float64Array, at: number, re: number, im: number, twiddles: Float64Array, twiddle: number) {
  const wRe = twiddles[twiddle]!
  const wIm = twiddles[twiddle + 1]!
  to[at] = re * wRe - im * wIm
  to[at + 1] = re * wIm + im * wRe
}
