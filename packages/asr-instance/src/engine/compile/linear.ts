import type { GraphBuilder } from './graph-builder.js'
import { integerProduct, quantizeRows, scaleRows, type RowFacts } from './integer-product.js'
import { ColumnQuantizer, quantizeBlocks, quantizeByteBlocks, type QuantizedBlocks } from './quantize.js'
import { TransposedMatrix } from './transposed-matrix.js'

/**
 * How the weight of a linear layer is stored: in the graph's precision with the checkpoint's rows or transposed, at 8 bits
 * with a scale per output, at 8 or 4 bits in blocks.
 */
export type LinearFormat = 'rows' | 'columns' | 'int8' | 'blocks8' | 'int4'

export interface LinearWeight {
  /** Checkpoint tensors whose rows are stacked into one matrix, so that one product serves them all. */
  tensors: readonly { name: string; rows: number; bias?: string }[]
  columns: number
  format: LinearFormat
}

/** A matrix `[rows, columns]`; where there is a `scale [rows]`, its rows are yet to be multiplied by it. */
export interface Rows {
  values: string
  scale?: string
}

/** `x · Wᵀ + bias`, `[rows, columns]` to `[rows, outputs]`. */
export async function linear(
  graph: GraphBuilder,
  x: Rows,
  weight: LinearWeight,
  facts: RowFacts,
): Promise<string> {
  const hasBias = weight.tensors[0]?.bias !== undefined
  if (hasBias && weight.format === 'blocks8') {
    const bias = await joinedBias(graph, weight, outputs(weight))
    return blockProduct(8, graph, scaled(graph, x), weight, outputs(weight), bias)
  }
  const product = scaled(graph, await unscaledLinear(graph, x, weight, facts))
  if (!hasBias) return product
  return graph.node('Add', [product, await joinedBias(graph, weight, outputs(weight))])
}

/** The same without the bias, for callers that can do with rows of another scale. */
export async function unscaledLinear(
  graph: GraphBuilder,
  x: Rows,
  weight: LinearWeight,
  facts: RowFacts,
): Promise<Rows> {
  const rows = outputs(weight)
  if (weight.format !== 'int8')
    return { values: await products[weight.format](graph, scaled(graph, x), weight, rows) }
  const quantizer = new ColumnQuantizer(rows, weight.columns)
  for await (const block of rowBlocks(graph, weight)) quantizer.append(block)
  const { values, scale } = quantizeRows(graph, x.values, facts)
  return {
    values: await integerProduct(graph, values, matrixName(weight, rows), quantizer),
    scale: x.scale === undefined ? scale : graph.node('Mul', [scale, x.scale]),
  }
}

/** The matrix itself. */
export function scaled(graph: GraphBuilder, { values, scale }: Rows): string {
  return scale === undefined ? values : scaleRows(graph, values, scale)
}

function outputs({ tensors }: LinearWeight): number {
  return tensors.reduce((sum, tensor) => sum + tensor.rows, 0)
}

type Product = (graph: GraphBuilder, x: string, weight: LinearWeight, rows: number) => Promise<string>

const products: Record<Exclude<LinearFormat, 'int8'>, Product> = {
  async rows(graph, x, weight, rows) {
    const blocks = typedBlocks(rowBlocks(graph, weight), (block) => graph.typed(block))
    const dims = [rows, weight.columns]
    const matrix = await graph.initializer(matrixName(weight, rows), graph.target.precision, dims, blocks)
    // transB lets the rows stay as the checkpoint has them, so that they can be streamed.
    return graph.node('FusedMatMul', [x, matrix], { transB: 1n, alpha: 1 })
  },
  async columns(graph, x, weight, rows) {
    const { precision } = graph.target
    const size = rows * weight.columns
    const values = precision === 'float16' ? new Uint16Array(size) : new Float32Array(size)
    const matrix = new TransposedMatrix(values, rows, weight.columns)
    for await (const block of rowBlocks(graph, weight)) matrix.append(graph.typed(block))
    const dims = [weight.columns, rows]
    const name = matrixName(weight, rows)
    return graph.node('MatMul', [x, await graph.initializer(name, precision, dims, [values])])
  },
  blocks8: (...product) => blockProduct(8, ...product),
  int4: (...product) => blockProduct(4, ...product),
}

/**
 * Values that share one scale. At 4 bits a processor takes two thirds of the time, for a prompt as for a step, with
 * blocks of 128 instead of 32; the kernels of GPUs are written for 32.
 */
const blockLengths = { cpu: 128, gpu: 32, cuda: 32 } as const

async function blockProduct(
  bits: 4 | 8,
  graph: GraphBuilder,
  x: string,
  weight: LinearWeight,
  rows: number,
  bias?: string,
): Promise<string> {
  const { precision } = graph.target
  const name = matrixName(weight, rows)
  const blockLength = blockLengths[graph.target.device]
  const blocks = Math.ceil(weight.columns / blockLength)
  const scales = new Float32Array(rows * blocks)
  const quantize = bits === 4 ? quantizeBlocks : quantizeByteBlocks
  const values = quantizedBlocks(rowBlocks(graph, weight), scales, (block) =>
    quantize(block, weight.columns, blockLength),
  )
  const dims = [rows, blocks, (blockLength * bits) / 8]
  const matrix = await graph.initializer(`${name}:int${bits}`, 'uint8', dims, values)
  // Filled while the values were written.
  const filled = [graph.typed(scales)]
  const scalesName = await graph.initializer(`${name}:int${bits}:scales`, precision, [scales.length], filled)
  // Between scales and bias: zero points and the order of the groups, which are as usual.
  const inputs = [x, matrix, scalesName, ...(bias === undefined ? [] : ['', '', bias])]
  return graph.node('MatMulNBits', inputs, {
    K: BigInt(weight.columns),
    N: BigInt(rows),
    bits: BigInt(bits),
    block_size: BigInt(blockLength),
    accuracy_level: 4n,
  })
}

/** Under which the matrix stands in the graph. */
export function matrixName({ tensors }: Pick<LinearWeight, 'tensors'>, rows: number): string {
  return `${tensors[0]?.name}:${rows}`
}

async function* rowBlocks(
  { checkpoint }: GraphBuilder,
  { tensors, columns }: LinearWeight,
): AsyncGenerator<Float32Array> {
  for (const { name, rows } of tensors) yield* checkpoint.readBlocks(name, [rows, columns])
}

async function joinedBias(graph: GraphBuilder, { tensors }: LinearWeight, total: number): Promise<string> {
  const joined = new Float32Array(total)
  let at = 0
  for (const { bias, rows } of tensors) {
    // Qwen3-ASR's key projections have a bias as the others do; a missing one counts as zero.
    if (bias) joined.set(await graph.checkpoint.read(bias, [rows]), at)
    at += rows
  }
  const name = `${tensors[0]?.bias}:${total}`
  return graph.initializer(name, graph.target.precision, [total], [graph.typed(joined)])
}

async function* quantizedBlocks(
  blocks: AsyncIterable<Float32Array>,
  scales: Float32Array,
  quantize: (rows: Float32Array) => QuantizedBlocks,
): AsyncGenerator<Uint8Array> {
  let at = 0
  for await (const rows of blocks) {
    const quantized = quantize(rows)
    scales.set(quantized.scales, at)
    at += quantized.scales.length
    yield quantized.values
  }
}

async function* typedBlocks(
  blocks: AsyncIterable<Float32Array>,
  typed: (block: Float32Array) => ArrayBufferView,
): AsyncGenerator<ArrayBufferView> {
  for await (const block of blocks) yield typed(block)
}
