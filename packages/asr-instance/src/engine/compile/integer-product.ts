import type { GraphBuilder } from './graph-builder.js'
import { dataType } from './onnx-model.js'
import type { ColumnQuantizer } from './quantize.js'

/** A matrix `[rows, columns]` at 8 bits with a scale per row, so that rows stay independent of each other. */
export interface QuantizedRows {
  values: string
  /** `[rows]`: what one step of a row's values stands for. */
  scale: string
}

/** `uint8` holds signed values with 128 for zero; `positive` is for values that are never negative. */
export type RowFormat = 'uint8' | 'int8' | 'positive'

/** What is known of the values that a quantized matrix gets. */
export interface RowFacts {
  /** Matrices of the same group have the same rows; their zero points are made once. */
  group: string
  /** No value is below `-lowest`: the largest one is the peak, or this is. */
  lowest?: number
}

/** The least value of a GELU, rounded down: `min x · Φ(x)` is -0.16997. */
export const geluLowest = 0.17

/**
 * Rounds each row of `x [rows, columns]` to 8 bits. A row of zeros has the scale 0 and no defined values, which makes all
 * its products 0.
 */
export function quantizeRows(
  graph: GraphBuilder,
  x: string,
  format: RowFormat,
  { group, lowest }: RowFacts,
): QuantizedRows {
  const largest = (values: string) => graph.node('ReduceMax', [values, graph.ints(-1)], { keepdims: 0n })
  let peak: string
  if (format === 'positive') peak = largest(x)
  else if (lowest === undefined) peak = largest(graph.node('Abs', [x]))
  else peak = graph.node('Max', [largest(x), graph.scalar(lowest)])
  const scale = graph.node('Mul', [peak, graph.scalar(1 / (format === 'positive' ? 255 : 127))])
  if (format !== 'uint8') {
    const type = BigInt(format === 'int8' ? dataType.int8 : dataType.uint8)
    return { values: graph.node('QuantizeLinear', [x, scale], { axis: 0n, output_dtype: type }), scale }
  }
  const zeros = graph.once(`zero points of ${group}`, () =>
    graph.node('Expand', [graph.uint8(128), graph.node('Shape', [scale])]),
  )
  return { values: graph.node('QuantizeLinear', [x, scale, zeros], { axis: 0n }), scale }
}

/**
 * Values at 8 bits (`uint8`) times weights, `[…, columns] · [columns, rows]`, without the scales of the values. The product
 * is one of integers: several times as fast as `MatMulNBits` where many rows share the weights.
 */
export async function integerProduct(
  graph: GraphBuilder,
  values: string,
  name: string,
  weights: ColumnQuantizer,
): Promise<string> {
  const rows = weights.scales.length
  const matrix = await graph.initializer(`${name}:int8`, 'int8', [weights.columns, rows], [weights.values])
  const scales = await graph.initializer(`${name}:int8:scales`, 'float', [rows], [weights.scales])
  return graph.node('MatMulIntegerToFloat', [values, matrix, graph.scalar(1), scales, graph.uint8(128)])
}

/** Each row of `x [rows, columns]` times its scale. */
export function scaleRows(graph: GraphBuilder, x: string, scale: string): string {
  return graph.node('Mul', [x, graph.node('Unsqueeze', [scale, graph.ints(1)])])
}
