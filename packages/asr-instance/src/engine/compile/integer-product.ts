import type { GraphBuilder } from './graph-builder.js'
import { dataType } from './onnx-model.js'
import type { ColumnQuantizer } from './quantize.js'

/** A matrix `[rows, columns]` at 8 bits with a scale per row, so that rows stay independent of each other. */
export interface QuantizedRows {
  values: string
  /** `[rows]`: what one step of a row's values stands for. */
  scale: string
}

/** What is known of the values that a quantized matrix gets. */
export interface RowFacts {
  /** Matrices of the same group have the same rows; their zero points are made once. */
  group: string
  /** No value is below `-lowest`: the largest one is the peak, or this is. */
  lowest?: number
  /** How many rows there are: a number where that never changes, or `[1]` if `x` may not be asked. */
  count?: number | (() => string)
}

/** The least value of a GELU, rounded down: `min x · Φ(x)` is -0.16997. */
export const geluLowest = 0.17

/** Rounds each row of `x [rows, columns]` to `uint8`, of which 128 stands for zero. Of rows of zeros see `quantizeRowsAs`. */
export function quantizeRows(
  graph: GraphBuilder,
  x: string,
  { group, lowest, count }: RowFacts,
): QuantizedRows {
  const peak =
    lowest === undefined
      ? largestOfRows(graph, graph.node('Abs', [x]))
      : graph.node('Max', [largestOfRows(graph, x), graph.scalar(lowest)])
  const scale = graph.node('Mul', [peak, graph.scalar(1 / 127)])
  // What onnxruntime could compute ahead in a Scan's body makes a file that it refuses to load.
  const zeros =
    typeof count === 'number'
      ? graph.uint8s(new Uint8Array(count).fill(128))
      : graph.once(`zero points of ${group}`, () =>
          graph.node('Expand', [graph.uint8(128), count?.() ?? graph.node('Shape', [scale])]),
        )
  return { values: graph.node('QuantizeLinear', [x, scale, zeros], { axis: 0n }), scale }
}

/**
 * Rounds each row to 8 bits of which 0 stands for zero: `int8`, or `uint8` for values that are never negative. A row of
 * zeros has the scale 0 and no defined values, which makes all its products 0.
 */
export function quantizeRowsAs(graph: GraphBuilder, x: string, type: 'int8' | 'uint8'): QuantizedRows {
  const peak = largestOfRows(graph, type === 'int8' ? graph.node('Abs', [x]) : x)
  const scale = graph.node('Mul', [peak, graph.scalar(1 / (type === 'int8' ? 127 : 255))])
  const attributes = { axis: 0n, output_dtype: BigInt(dataType[type]) }
  return { values: graph.node('QuantizeLinear', [x, scale], attributes), scale }
}

function largestOfRows(graph: GraphBuilder, x: string): string {
  return graph.node('ReduceMax', [x, graph.ints(-1)], { keepdims: 0n })
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
