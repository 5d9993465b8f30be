import type { Checkpoint } from '../checkpoint/checkpoint.js'
import { toFloat16 } from '../checkpoint/float-formats.js'
import type { ExternalData } from './external-data.js'
import {
  dataType,
  encodeModel,
  type Attribute,
  type DataType,
  type OnnxInitializer,
  type OnnxNode,
  type OnnxValue,
} from './onnx-model.js'
import { ColumnCollector } from './column-collector.js'
import { blockLength, ColumnQuantizer, quantizeBlocks } from './quantize.js'

/**
 * How the weight of a linear layer is stored: in the graph's precision with the checkpoint's rows or transposed, at 8 bits
 * with a scale per output, at 4 bits in blocks.
 */
export type LinearFormat = 'rows' | 'columns' | 'int8' | 'int4'

/** What a graph is made for: some operators exist on one kind of device only. */
export interface GraphTarget {
  device: 'cpu' | 'gpu'
  /** Type of activations and of weights that are not quantized. */
  precision: 'float' | 'float16'
}

export interface LinearWeight {
  /** Checkpoint tensors whose rows are stacked into one matrix, so that one product serves them all. */
  tensors: readonly { name: string; rows: number; bias?: string }[]
  columns: number
  format: LinearFormat
}

/** Activations at 8 bits: `x ≈ (values - 128) / 127 · peak`. */
export interface QuantizedActivations {
  values: string
  /** The largest magnitude along the axes that share it, kept as axes of length 1. */
  peak: string
}

const microsoft = 'com.microsoft'

/** Collects nodes and streams weights; a value is known by its name. */
export class GraphBuilder {
  readonly #checkpoint: Checkpoint
  readonly #external: ExternalData
  readonly #nodes: OnnxNode[] = []
  readonly #initializers: OnnxInitializer[] = []
  readonly #inputs: OnnxValue[] = []
  readonly #outputs: OnnxValue[] = []
  readonly #constants = new Map<string, string>()
  readonly #outputNames = new Map<string, string>()
  #serial = 0

  readonly target: GraphTarget

  constructor(checkpoint: Checkpoint, external: ExternalData, target: GraphTarget) {
    this.#checkpoint = checkpoint
    this.#external = external
    this.target = target
  }

  input(name: string, type: DataType, dims: readonly (number | string)[]): string {
    this.#inputs.push({ name, type, dims })
    return name
  }

  /** A float32 input as a value of the graph's precision. */
  floatInput(name: string, dims: readonly (number | string)[]): string {
    const value = this.input(name, 'float', dims)
    return this.target.precision === 'float' ? value : this.cast(value, 'float16')
  }

  /** A value of the graph's precision as a float32 output. */
  floatOutput(value: string, name: string, dims: readonly (number | string)[]): void {
    this.output(this.target.precision === 'float' ? value : this.cast(value, 'float'), name, 'float', dims)
  }

  cast(value: string, type: DataType): string {
    return this.node('Cast', [value], { to: BigInt(dataType[type]) })
  }

  /** Makes `value` an output of the graph under `name`. */
  output(value: string, name: string, type: DataType, dims: readonly (number | string)[]): void {
    this.#outputNames.set(value, name)
    this.#outputs.push({ name, type, dims })
  }

  node(op: string, inputs: readonly string[], attributes: Record<string, Attribute> = {}): string {
    return this.nodes(op, inputs, attributes, 1)[0] as string
  }

  nodes(
    op: string,
    inputs: readonly string[],
    attributes: Record<string, Attribute>,
    outputCount: number,
  ): string[] {
    const outputs = Array.from({ length: outputCount }, () => `${op}_${this.#serial++}`)
    this.#nodes.push({ op, domain: microsoftOps.has(op) ? microsoft : '', inputs, outputs, attributes })
    return outputs
  }

  ints(...values: number[]): string {
    const data = BigInt64Array.from(values, BigInt)
    return this.#constant('int64', [values.length], data)
  }

  floats(values: Float32Array, dims: readonly number[]): string {
    return this.#constant(this.target.precision, dims, this.#typed(values))
  }

  scalar(value: number): string {
    return this.floats(Float32Array.of(value), [])
  }

  #typed(values: Float32Array): ArrayBufferView {
    return this.target.precision === 'float' ? values : toFloat16(values)
  }

  #constant(type: DataType, dims: readonly number[], data: ArrayBufferView): string {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    const key = `${type}:${dims.join()}:${bytes.length < 256 ? Buffer.from(bytes).toString('hex') : this.#serial}`
    const known = this.#constants.get(key)
    if (known) return known
    const name = `constant_${this.#serial++}`
    this.#initializers.push({ name, type, dims, data: bytes })
    this.#constants.set(key, name)
    return name
  }

  uint8(value: number): string {
    return this.#constant('uint8', [], Uint8Array.of(value))
  }

  reshape(value: string, ...dims: number[]): string {
    return this.node('Reshape', [value, this.ints(...dims)])
  }

  transpose(value: string, ...permutation: number[]): string {
    return this.node('Transpose', [value], { perm: permutation.map(BigInt) })
  }

  /** `q · kᵀ · scale` over the last two dimensions. */
  scores(q: string, k: string, scale: number): string {
    if (this.target.device === 'cpu') return this.node('FusedMatMul', [q, k], { transB: 1n, alpha: scale })
    const scaled = this.node('Mul', [q, this.scalar(scale)])
    return this.node('MatMul', [scaled, this.transpose(k, 0, 1, 3, 2)])
  }

  /** A small weight (norm, bias, convolution) in the graph's precision, times `scale`. */
  async weight(tensor: string, dims: readonly number[], scale = 1): Promise<string> {
    const data = (await this.#checkpoint.read(tensor, dims)).map((value) => value * scale)
    const place = await this.#external.append([this.#typed(data)])
    this.#initializers.push({ name: tensor, type: this.target.precision, dims, data: place })
    return tensor
  }

  /** `x · Wᵀ + bias` over the last dimension. */
  async linear(x: string, weight: LinearWeight): Promise<string> {
    const rows = weight.tensors.reduce((sum, tensor) => sum + tensor.rows, 0)
    const bias = weight.tensors[0]?.bias ? await this.#bias(weight, rows) : undefined
    if (weight.format === 'int4') return this.#blockLinear(x, weight, rows, bias)
    const product = await (weight.format === 'int8'
      ? this.#integerProduct(x, weight, rows)
      : this.#floatProduct(x, weight, rows))
    return bias === undefined ? product : this.node('Add', [product, bias])
  }

  async #floatProduct(x: string, weight: LinearWeight, rows: number): Promise<string> {
    const name = `${weight.tensors[0]?.name}:${rows}`
    const type = this.target.precision
    if (weight.format === 'columns') {
      const data = await this.#external.append([await this.#transposed(weight, rows)])
      this.#initializers.push({ name, type, dims: [weight.columns, rows], data })
      return this.node('MatMul', [x, name])
    }
    const data = await this.#external.append(
      typedBlocks(this.#rowBlocks(weight), (block) => this.#typed(block)),
    )
    this.#initializers.push({ name, type, dims: [rows, weight.columns], data })
    // transB lets the rows stay as the checkpoint has them, so that they can be streamed.
    return this.node('FusedMatMul', [x, name], { transB: 1n, alpha: 1 })
  }

  async #transposed(weight: LinearWeight, rows: number): Promise<ArrayBufferView> {
    const collector = new ColumnCollector(rows, weight.columns, this.target.precision === 'float16')
    for await (const block of this.#rowBlocks(weight)) collector.append(block)
    return collector.values
  }

  /**
   * Activations are rounded to 8 bits with a peak per row, so that rows stay independent of each other, and the product
   * is one of integers: several times as fast as `MatMulNBits` where many rows share the weights.
   */
  async #integerProduct(x: string, weight: LinearWeight, rows: number): Promise<string> {
    const { values, peak } = this.quantized(x, -1)
    const quantizer = new ColumnQuantizer(rows, weight.columns)
    for await (const block of this.#rowBlocks(weight)) quantizer.append(block)
    const product = await this.integerProduct(values, `${weight.tensors[0]?.name}:${rows}`, quantizer)
    return this.node('Mul', [product, peak])
  }

  /** Rounds to 8 bits; values along `axes` share a peak. Zeros only have no defined values, but the peak 0. */
  quantized(x: string, ...axes: number[]): QuantizedActivations {
    const peak = this.node('ReduceMax', [this.node('Abs', [x]), this.ints(...axes)], { keepdims: 1n })
    const unit = this.node('Div', [x, peak])
    return { values: this.node('QuantizeLinear', [unit, this.scalar(1 / 127), this.uint8(128)]), peak }
  }

  /** Quantized activations · weights, for activations with a peak of 1. */
  async integerProduct(values: string, name: string, { columns, values: weights, scales }: ColumnQuantizer) {
    const data = await this.#external.append([weights])
    this.#initializers.push({ name: `${name}:int8`, type: 'int8', dims: [columns, scales.length], data })
    const scalesData = await this.#external.append([scales.map((scale) => scale / 127)])
    const dims = [scales.length]
    this.#initializers.push({ name: `${name}:int8:scales`, type: 'float', dims, data: scalesData })
    const inputs = [values, `${name}:int8`, this.scalar(1), `${name}:int8:scales`, this.uint8(128)]
    return this.node('MatMulIntegerToFloat', inputs)
  }

  /** A tensor that is to be rearranged before it is used. */
  read(tensor: string, dims: readonly number[]): Promise<Float32Array> {
    return this.#checkpoint.read(tensor, dims)
  }

  async #blockLinear(x: string, weight: LinearWeight, rows: number, bias: string | undefined) {
    const name = `${weight.tensors[0]?.name}:${rows}:int4`
    const blocks = Math.ceil(weight.columns / blockLength)
    const scales = new Float32Array(rows * blocks)
    const place = await this.#external.append(
      quantizedBlocks(this.#rowBlocks(weight), weight.columns, scales),
    )
    const dims = [rows, blocks, blockLength / 2]
    this.#initializers.push({ name, type: 'uint8', dims, data: place })
    const scalesPlace = await this.#external.append([this.#typed(scales)])
    this.#initializers.push({
      name: `${name}:scales`,
      type: this.target.precision,
      dims: [rows * blocks],
      data: scalesPlace,
    })
    const inputs = [x, name, `${name}:scales`, ...(bias === undefined ? [] : ['', '', bias])]
    return this.node('MatMulNBits', inputs, {
      K: BigInt(weight.columns),
      N: BigInt(rows),
      bits: 4n,
      block_size: BigInt(blockLength),
      accuracy_level: 4n,
    })
  }

  async *#rowBlocks(weight: LinearWeight): AsyncGenerator<Float32Array> {
    for (const { name, rows } of weight.tensors) {
      yield* this.#checkpoint.readBlocks(name, [rows, weight.columns])
    }
  }

  async #bias(weight: LinearWeight, total: number): Promise<string> {
    const joined = new Float32Array(total)
    let at = 0
    for (const { bias, rows } of weight.tensors) {
      // Qwen3-ASR's key projections have a bias as the others do; a missing one counts as zero.
      if (bias) joined.set(await this.#checkpoint.read(bias, [rows]), at)
      at += rows
    }
    const name = `${weight.tensors[0]?.bias}:${total}`
    this.#initializers.push({
      name,
      type: this.target.precision,
      dims: [total],
      data: await this.#external.append([this.#typed(joined)]),
    })
    return name
  }

  encode(name: string): Uint8Array {
    const named = (value: string) => this.#outputNames.get(value) ?? value
    return encodeModel({
      name,
      nodes: this.#nodes.map((node) => ({
        ...node,
        inputs: node.inputs.map(named),
        outputs: node.outputs.map(named),
      })),
      initializers: this.#initializers,
      inputs: this.#inputs,
      outputs: this.#outputs,
    })
  }
}

const microsoftOps = new Set([
  'FusedMatMul',
  'Gelu',
  'GroupQueryAttention',
  'MatMulIntegerToFloat',
  'MatMulNBits',
  'QuickGelu',
  'RotaryEmbedding',
  'SkipSimplifiedLayerNormalization',
])

async function* quantizedBlocks(
  blocks: AsyncIterable<Float32Array>,
  columns: number,
  scales: Float32Array,
): AsyncGenerator<Uint8Array> {
  let at = 0
  for await (const rows of blocks) {
    const quantized = quantizeBlocks(rows, columns)
    scales.set(quantized.scales, at)
    at += quantized.scales.length
    yield quantized.values
  }
}

async function* typedBlocks(
  blocks: AsyncIterable<Float32Array>,
  typed: (block: Float32Array) => ArrayBufferView,
) {
  for await (const block of blocks) yield typed(block)
}
