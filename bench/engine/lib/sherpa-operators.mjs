import { dataType } from '../../../packages/asr-instance/dist/engine/compile/onnx-model.js'
import { TransposedMatrix } from '../../../packages/asr-instance/dist/engine/compile/transposed-matrix.js'
import { extremes, quantizeRows, Scale } from './sherpa-quantize.mjs'

/**
 * What PyTorch's exporter writes for the layers of the model, in plain ONNX operators: which of them are fused is left to
 * the onnxruntime inside sherpa-onnx, as with its own exports. `weights`: `float`, or the 8-bit type of the matrices.
 */
export class Operators {
  #quantized = new Map()

  constructor(graph, weights) {
    this.graph = graph
    this.weights = weights
  }

  node(op, inputs, attributes) {
    return this.graph.node(op, inputs, attributes)
  }

  add(a, b) {
    return this.node('Add', [a, b])
  }

  mul(a, b) {
    return this.node('Mul', [a, b])
  }

  /** Length of an axis as `[1]`. */
  length(value, axis) {
    return this.node('Gather', [this.node('Shape', [value]), this.graph.ints(axis)], { axis: 0n })
  }

  concat(values, axis = 0n) {
    return this.node('Concat', values, { axis })
  }

  slice(value, from, to, axis) {
    return this.node('Slice', [value, from, to, this.graph.ints(axis)])
  }

  floatOf(value) {
    return this.node('Cast', [value], { to: BigInt(dataType.float) })
  }

  gelu(x) {
    const { graph } = this
    const erf = this.node('Erf', [this.node('Div', [x, graph.scalar(Math.SQRT2)])])
    return this.mul(this.mul(x, this.add(erf, graph.scalar(1))), graph.scalar(0.5))
  }

  silu(x) {
    return this.mul(x, this.node('Sigmoid', [x]))
  }

  async layerNorm(x, name, width) {
    const { graph } = this
    const inputs = [
      x,
      await graph.weight(`${name}.weight`, [width]),
      await graph.weight(`${name}.bias`, [width]),
    ]
    return this.node('LayerNormalization', inputs, { axis: -1n, epsilon: 1e-5 })
  }

  async rmsNorm(x, name, width, epsilon) {
    const { graph } = this
    const squares = this.node('Pow', [x, graph.scalar(2)])
    const mean = this.node('ReduceMean', [squares], { axes: [-1n], keepdims: 1n })
    const root = this.node('Sqrt', [this.add(mean, graph.scalar(epsilon))])
    const normed = this.mul(x, this.node('Div', [graph.scalar(1), root]))
    return this.mul(await graph.weight(name, [width]), normed)
  }

  /** `x · Wᵀ (+ bias)` with `W [rows, columns]`. */
  async linear(x, name, rows, columns, { bias = false } = {}) {
    const product = await this.#product(x, `${name}.weight`, rows, columns)
    return bias ? this.add(await this.graph.weight(`${name}.bias`, [rows]), product) : product
  }

  async #product(x, tensor, rows, columns) {
    const { graph, weights } = this
    const blocks = graph.checkpoint.readBlocks(tensor, [rows, columns])
    const store = (suffix, type, dims, data) => graph.initializer(`${tensor}:${suffix}`, type, dims, [data])
    if (weights === 'float') {
      return this.node('MatMul', [
        x,
        await store('T', 'float', [columns, rows], await transposed(blocks, rows, columns)),
      ])
    }
    const { values, steps, zeroPoints } = await quantizeRows(blocks, rows, columns, weights)
    const matrix = await store('T', weights, [columns, rows], values)
    const zeros = await store('zero', weights, [rows], zeroPoints)
    const input = this.#quantize(x)
    const product = this.node('MatMulInteger', [input.values, matrix, input.zeroPoint, zeros])
    const scales = this.mul(input.scale, await store('scale', 'float', [rows], steps))
    return this.mul(this.floatOf(product), scales)
  }

  /** With one scale for the whole tensor; projections of the same input share it. */
  #quantize(x) {
    let known = this.#quantized.get(x)
    if (!known) {
      const [values, scale, zeroPoint] = this.graph.nodes('DynamicQuantizeLinear', [x], {}, 3)
      known = { values, scale, zeroPoint }
      this.#quantized.set(x, known)
    }
    return known
  }

  /** Rows of a table that `blocks()` reads, at 8 bits with one scale unless weights are `float`. */
  async lookup(name, blocks, dims, indices) {
    const { graph } = this
    if (this.weights === 'float') {
      return this.node('Gather', [await graph.initializer(name, 'float', dims, blocks()), indices], {
        axis: 0n,
      })
    }
    let range
    for await (const block of blocks()) range = extremes(block, range)
    const scale = new Scale('uint8', ...range)
    const table = await graph.initializer(`${name}:uint8`, 'uint8', dims, rounded(blocks(), scale))
    const rows = this.node('Gather', [table, indices], { axis: 0n })
    return this.node('DequantizeLinear', [rows, graph.scalar(scale.step), graph.uint8(scale.zeroPoint)])
  }
}

async function transposed(blocks, rows, columns) {
  const matrix = new TransposedMatrix(new Float32Array(rows * columns), rows, columns)
  for await (const block of blocks) matrix.append(block)
  return matrix.values
}

async function* rounded(blocks, scale) {
  for await (const block of blocks) {
    const values = new Uint8Array(block.length)
    for (let i = 0; i < values.length; i++) values[i] = scale.round(block[i])
    yield values
  }
}
