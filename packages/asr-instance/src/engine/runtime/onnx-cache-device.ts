import { ort } from './onnxruntime.js'
import type { ModelConfig } from '../checkpoint/model-config.js'
import { cacheNames, joinGraph, selectGraph } from '../compile/cache-graphs.js'
import type { GraphTarget } from '../compile/graph-builder.js'
import { int64 } from './integer-tensors.js'
import type { CacheBlock, CacheDevice } from './device-cache.js'

/** Options of a session whose tensors called `names` stay where it computes. */
export function keepOnDevice(
  options: ort.InferenceSession.SessionOptions,
  names: readonly string[],
): ort.InferenceSession.SessionOptions {
  const onGpu = options.executionProviders?.includes('webgpu') ?? false
  // Only WebGPU has outputs that stay; elsewhere they are the host's.
  if (!onGpu) return options
  return {
    ...options,
    preferredOutputLocation: Object.fromEntries(names.map((name) => [name, 'gpu-buffer'])),
  }
}

/** Rearranges blocks by two small graphs that run where the decoder runs. */
export class OnnxCacheDevice implements CacheDevice {
  readonly #text: ModelConfig['text']
  readonly #precision: GraphTarget['precision']
  readonly #names: string[]
  readonly #select: ort.InferenceSession
  readonly #join: ort.InferenceSession

  private constructor(
    text: ModelConfig['text'],
    precision: GraphTarget['precision'],
    select: ort.InferenceSession,
    join: ort.InferenceSession,
  ) {
    this.#text = text
    this.#precision = precision
    this.#names = cacheNames(text).map(({ name }) => name)
    this.#select = select
    this.#join = join
  }

  static async create(
    text: ModelConfig['text'],
    precision: GraphTarget['precision'],
    options: ort.InferenceSession.SessionOptions,
  ): Promise<OnnxCacheDevice> {
    const outputs = cacheNames(text).map(({ name }) => `out_${name}`)
    const session = (graph: Uint8Array) => ort.InferenceSession.create(graph, keepOnDevice(options, outputs))
    return new OnnxCacheDevice(
      text,
      precision,
      await session(selectGraph(text, precision)),
      await session(joinGraph(text, precision)),
    )
  }

  async release(): Promise<void> {
    await this.#select.release()
    await this.#join.release()
  }

  empty(): CacheBlock {
    const { kvHeads, headDim } = this.#text
    const zeros = () =>
      this.#precision === 'float' ? new Float32Array(kvHeads * headDim) : new Uint16Array(kvHeads * headDim)
    const type = this.#precision === 'float' ? 'float32' : 'float16'
    const tensors = cacheNames(this.#text).map(({ spanAxis }) => {
      const dims = spanAxis === 4 ? [1, kvHeads, 1, headDim, 1] : [1, kvHeads, 1, 1, headDim]
      return new ort.Tensor(type, zeros(), dims)
    })
    return { tensors, rows: 1, span: 1, uses: 0 }
  }

  async select(block: CacheBlock, rows: readonly number[], from: number, to: number): Promise<CacheBlock> {
    const outputs = await this.#select.run({
      ...this.#named('', block),
      rows: int64(rows),
      from: int64([from]),
      to: int64([to]),
    })
    return this.#block(outputs, rows.length, to - from)
  }

  async join(a: CacheBlock, b: CacheBlock): Promise<CacheBlock> {
    const span = Math.max(a.span, b.span)
    const outputs = await this.#join.run({
      ...this.#named('a_', a),
      ...this.#named('b_', b),
      a_pads3: pads(3, span - a.span),
      a_pads4: pads(4, span - a.span),
      b_pads3: pads(3, span - b.span),
      b_pads4: pads(4, span - b.span),
    })
    return this.#block(outputs, a.rows + b.rows, span)
  }

  #named(prefix: string, block: CacheBlock): Record<string, ort.Tensor> {
    return Object.fromEntries(this.#names.map((name, index) => [`${prefix}${name}`, block.tensors[index]!]))
  }

  #block(outputs: ort.InferenceSession.OnnxValueMapType, rows: number, span: number): CacheBlock {
    const tensors = this.#names.map((name) => outputs[`out_${name}`] as ort.Tensor)
    return { tensors, rows, span, uses: 0 }
  }
}

/** ONNX pads of five axes: so many places before the first of one of them. */
function pads(axis: number, count: number): ort.Tensor {
  return int64(Array.from({ length: 10 }, (_, index) => (index === axis ? count : 0)))
}
