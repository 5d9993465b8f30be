import type { GraphBuilder } from './graph-builder.js'
import type { ColumnQuantizer } from './quantize.js'

/** Activations at 8 bits: `x ≈ (values - 128) / 127 · peak`. */
export interface QuantizedActivations {
  values: string
  /** The largest magnitude along the axes that share it, kept as axes of length 1. */
  peak: string
}

/** Rounds to 8 bits; values along `axes` share a peak. Zeros only have no defined values, but the peak 0. */
export function quantizedActivations(graph: GraphBuilder, x: string, axes: number[]): QuantizedActivations {
  const peak = graph.node('ReduceMax', [graph.node('Abs', [x]), graph.ints(...axes)], { keepdims: 1n })
  const unit = graph.node('Div', [x, peak])
  return { values: graph.node('QuantizeLinear', [unit, graph.scalar(1 / 127), graph.uint8(128)]), peak }
}

/**
 * Quantized activations times weights, `[…, columns] · [columns, rows]`. The product is one of integers: several times as
 * fast as `MatMulNBits` where many rows share the weights.
 */
export async function integerProduct(
  graph: GraphBuilder,
  { values, peak }: QuantizedActivations,
  name: string,
  weights: ColumnQuantizer,
): Promise<string> {
  const rows = weights.scales.length
  const matrix = await graph.initializer(`${name}:int8`, 'int8', [weights.columns, rows], [weights.values])
  // Activations count in 127ths of their peak.
  const unit = weights.scales.map((scale) => scale / 127)
  const scales = await graph.initializer(`${name}:int8:scales`, 'float', [rows], [unit])
  const product = graph.node('MatMulIntegerToFloat', [
    values,
    matrix,
    graph.scalar(1),
    scales,
    graph.uint8(128),
  ])
  return graph.node('Mul', [product, peak])
}
