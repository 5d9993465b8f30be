import { TransposedMatrix } from '../../../packages/asr-instance/dist/engine/compile/transposed-matrix.js'

/**
 * Rounds weights to 8 bits as onnxruntime's `quantize_dynamic` does (float32 scales, halves to even), so that what
 * sherpa-onnx is timed with is what its own exports hold: `int8` symmetric to ±127, `uint8` over the whole range of the
 * values with a zero point.
 */
export class Scale {
  constructor(type, least, largest) {
    const low = Math.min(0, least)
    const high = Math.max(0, largest)
    const range = type === 'int8' ? 2 * Math.max(-low, high) : Math.fround(high - low)
    const exact = range / (type === 'int8' ? 254 : 255)
    this.step = exact === 0 ? 1 : Math.fround(exact)
    this.zeroPoint = type === 'int8' || exact === 0 ? 0 : roundHalfEven(-low / exact)
    this.least = type === 'int8' ? -128 : 0
    this.largest = type === 'int8' ? 127 : 255
  }

  round(value) {
    const rounded = roundHalfEven(Math.fround(value / this.step)) + this.zeroPoint
    if (rounded < this.least) return this.least
    return rounded > this.largest ? this.largest : rounded
  }
}

/** Rows of a checkpoint's matrix to `[columns, rows]`, with a scale and a zero point per row. */
export async function quantizeRows(blocks, rows, columns, type) {
  const Values = type === 'int8' ? Int8Array : Uint8Array
  const matrix = new TransposedMatrix(new Values(rows * columns), rows, columns)
  const steps = new Float32Array(rows)
  const zeroPoints = new Values(rows)
  let row = 0
  for await (const block of blocks) {
    const quantized = new Values(block.length)
    for (let from = 0; from < block.length; from += columns, row++) {
      const values = block.subarray(from, from + columns)
      const scale = new Scale(type, ...extremes(values))
      steps[row] = scale.step
      zeroPoints[row] = scale.zeroPoint
      for (let i = 0; i < columns; i++) quantized[from + i] = scale.round(values[i])
    }
    matrix.append(quantized)
  }
  return { values: matrix.values, steps, zeroPoints }
}

/** Least and largest value. */
export function extremes(values, [least, largest] = [Infinity, -Infinity]) {
  for (const value of values) {
    if (value < least) least = value
    if (value > largest) largest = value
  }
  return [least, largest]
}

/** Above it doubles have no fractions: a sum is rounded, halves to even. */
const noFractions = 1.5 * 2 ** 52

function roundHalfEven(value) {
  return value + noFractions - noFractions
}
