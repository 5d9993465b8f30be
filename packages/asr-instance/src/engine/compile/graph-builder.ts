import type { Checkpoint } from '../checkpoint/checkpoint.js'
import { toFloat16 } from '../checkpoint/float-formats.js'
import type { ExternalData } from './external-data.js'
import {
  dataType,
  encodeModel,
  type Attribute,
  type DataType,
  type OnnxGraph,
  type OnnxInitializer,
  type OnnxNode,
  type OnnxValue,
  type OnnxVersions,
} from './onnx-model.js'

/** What a graph is made for: some operators exist on one kind of device only. `gpu` is WebGPU. */
export interface GraphTarget {
  device: 'cpu' | 'gpu' | 'cuda'
  /** Type of activations and of weights that are not quantized. */
  precision: 'float' | 'float16'
}

const microsoft = 'com.microsoft'

/** Collects nodes and streams weights; a value is known by its name. */
export class GraphBuilder {
  readonly checkpoint: Checkpoint
  readonly #external: ExternalData
  #nodes: OnnxNode[] = []
  /** Of the graph or the body of a Loop or a Scan, also while `#nodes` are those of a branch in it. */
  #home = this.#nodes
  readonly #initializers: OnnxInitializer[] = []
  readonly #inputs: OnnxValue[] = []
  readonly #outputs: OnnxValue[] = []
  readonly #constants = new Map<string, string>()
  readonly #once = new Map<string, string>()
  readonly #outputNames = new Map<string, string>()
  #serial = 0

  readonly target: GraphTarget

  constructor(checkpoint: Checkpoint, external: ExternalData, target: GraphTarget) {
    this.checkpoint = checkpoint
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
    const wanted = Array.from({ length: outputCount }, () => true)
    return this.someOutputs(op, inputs, attributes, wanted)
  }

  /** Like `nodes`, of an operator of whose outputs only some are asked for. */
  someOutputs(
    op: string,
    inputs: readonly string[],
    attributes: Record<string, Attribute>,
    wanted: readonly boolean[],
  ): string[] {
    const outputs = wanted.map((isWanted) => (isWanted ? `${op}_${this.#serial++}` : ''))
    this.#nodes.push({ op, domain: microsoftOps.has(op) ? microsoft : '', inputs, outputs, attributes })
    return outputs.filter((name) => name !== '')
  }

  /** The value that `make` made when it was first asked for under this key; in a branch it is made before the branch. */
  once(key: string, make: () => string): string {
    const known = this.#once.get(key)
    if (known !== undefined) return known
    const value = this.#into(this.#home, make)
    this.#once.set(key, value)
    return value
  }

  /**
   * The body of a Loop or a Scan: what `build` adds, which may use whatever was added before. It answers the values that
   * become the outputs.
   */
  async body(inputs: readonly OnnxValue[], build: () => Promise<readonly OnnxValue[]>): Promise<OnnxGraph> {
    const outer = { nodes: this.#nodes, home: this.#home }
    this.#nodes = this.#home = []
    try {
      const outputs = await build()
      return { name: 'body', nodes: this.#nodes, initializers: [], inputs, outputs }
    } finally {
      this.#nodes = outer.nodes
      this.#home = outer.home
    }
  }

  /** What `whenTrue` or `whenFalse` computes, of the type and dimensions of `like`; the other one is not computed. */
  choose(
    condition: string,
    like: Omit<OnnxValue, 'name'>,
    whenTrue: () => string,
    whenFalse: () => string,
  ): string {
    const branch = (make: () => string): OnnxGraph => {
      const nodes: OnnxNode[] = []
      const name = this.#into(nodes, make)
      return { name: 'branch', nodes, initializers: [], inputs: [], outputs: [{ ...like, name }] }
    }
    return this.node('If', [condition], { then_branch: branch(whenTrue), else_branch: branch(whenFalse) })
  }

  /** What `step` makes of each slice of `value` along its first dimension, stacked: one slice after the other. */
  async scan(
    value: string,
    slice: Omit<OnnxValue, 'name'>,
    step: (slice: string) => Promise<OnnxValue>,
  ): Promise<string> {
    const input = { ...slice, name: `slice_${this.#serial++}` }
    const body = await this.body([input], async () => [await step(input.name)])
    return this.node('Scan', [value], { body, num_scan_inputs: 1n })
  }

  #into<T>(nodes: OnnxNode[], make: () => T): T {
    const outer = this.#nodes
    this.#nodes = nodes
    try {
      return make()
    } finally {
      this.#nodes = outer
    }
  }

  ints(...values: number[]): string {
    const data = BigInt64Array.from(values, BigInt)
    return this.#constant('int64', [values.length], data)
  }

  /** One without dimensions. */
  int(value: number): string {
    return this.#constant('int64', [], BigInt64Array.of(BigInt(value)))
  }

  floats(values: Float32Array, dims: readonly number[]): string {
    return this.#constant(this.target.precision, dims, this.typed(values))
  }

  /** In float32 whatever the graph's precision is. */
  float32s(values: Float32Array, dims: readonly number[]): string {
    return this.#constant('float', dims, values)
  }

  scalar(value: number): string {
    return this.floats(Float32Array.of(value), [])
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

  uint8s(values: Uint8Array): string {
    return this.#constant('uint8', [values.length], values)
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
    const data = (await this.checkpoint.read(tensor, dims)).map((value) => value * scale)
    return this.initializer(tensor, this.target.precision, dims, [this.typed(data)])
  }

  /** Streams values to the external data under a name of their own. */
  async initializer(
    name: string,
    type: DataType,
    dims: readonly number[],
    blocks: AsyncIterable<ArrayBufferView> | Iterable<ArrayBufferView>,
  ): Promise<string> {
    this.#initializers.push({ name, type, dims, data: await this.#external.append(blocks) })
    return name
  }

  /** Values in the graph's precision. */
  typed(values: Float32Array): Float32Array | Uint16Array {
    return this.target.precision === 'float' ? values : toFloat16(values)
  }

  /** `versions`: for another program that wants older ones than the compiler's. */
  encode(name: string, versions?: OnnxVersions): Uint8Array {
    const named = (value: string) => this.#outputNames.get(value) ?? value
    const graph = {
      name,
      nodes: this.#nodes.map((node) => ({
        ...node,
        inputs: node.inputs.map(named),
        outputs: node.outputs.map(named),
      })),
      initializers: this.#initializers,
      inputs: this.#inputs,
      outputs: this.#outputs,
    }
    return encodeModel(graph, versions)
  }
}

const microsoftOps = new Set([
  'FusedMatMul',
  'Gelu',
  'MatMulIntegerToFloat',
  'MatMulNBits',
  'PagedAttention',
  'QuickGelu',
  'RotaryEmbedding',
  'SkipSimplifiedLayerNormalization',
])
