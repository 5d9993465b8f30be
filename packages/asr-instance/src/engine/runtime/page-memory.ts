import { ort } from './onnxruntime.js'
import type { ModelConfig } from '../checkpoint/model-config.js'
import { copyGraph, growGraph, pageDims, pageTokens } from '../compile/page-graphs.js'
import { int32, int64 } from './integer-tensors.js'
import type { PageCopy } from './paged-cache.js'
import { PagePool } from './page-pool.js'

/** More at once than needed: each time all pages are copied. */
const growthFactor = 1.5
const fewestPages = 64

/** Keys and values of all layers in pages on the device, as inputs of the decoder. */
export class PageMemory {
  readonly pool = new PagePool()
  readonly #text: ModelConfig['text']
  readonly #grow: ort.InferenceSession
  readonly #copy: ort.InferenceSession
  readonly #tensors = new Map<string, ort.Tensor>()

  private constructor(text: ModelConfig['text'], grow: ort.InferenceSession, copy: ort.InferenceSession) {
    this.#text = text
    this.#grow = grow
    this.#copy = copy
  }

  /** `options` are those of the decoder's session. */
  static async create(
    text: ModelConfig['text'],
    options: ort.InferenceSession.SessionOptions,
  ): Promise<PageMemory> {
    const grow = await ort.InferenceSession.create(growGraph(text), {
      ...options,
      preferredOutputLocation: { grown: 'gpu-buffer' },
    })
    return new PageMemory(text, grow, await ort.InferenceSession.create(copyGraph(text), options))
  }

  /** Inputs `keys.i` and `values.i`. */
  get feeds(): Record<string, ort.Tensor> {
    return Object.fromEntries(this.#tensors)
  }

  /** At least `count` pages are free after it. One tensor after the other, so that little is there twice. */
  async makeRoom(count: number): Promise<void> {
    const { capacity, free } = this.pool
    if (count <= free) return
    const wanted = Math.max(capacity - free + count, Math.ceil(capacity * growthFactor), fewestPages)
    const dims = pageDims(this.#text)
    for (const name of this.#names()) {
      const old = this.#tensors.get(name) ?? firstPage(dims)
      const more = int64([wanted - old.dims[0]!, ...dims])
      const { grown } = await this.#grow.run({ pages: old, more })
      this.#tensors.set(name, grown as ort.Tensor)
      old.dispose()
    }
    this.pool.grow(wanted)
  }

  async copy(copies: readonly PageCopy[]): Promise<void> {
    if (copies.length === 0) return
    const count = copies.length
    const inputs = {
      from: int32(Int32Array.from(copies, ({ from }) => from)),
      to: int32(
        Int32Array.from(copies, ({ to }) => to),
        [count, 1],
      ),
      begins: int32(Int32Array.from({ length: count + 1 }, (_, index) => index * pageTokens)),
      past: int32(new Int32Array(count)),
      longest: int32(Int32Array.of(pageTokens, pageTokens)),
    }
    for (let layer = 0; layer < this.#text.layers; layer++) {
      const [keys, values] = [this.#tensors.get(`keys.${layer}`)!, this.#tensors.get(`values.${layer}`)!]
      await this.#copy.run({ keys, values, ...inputs })
    }
  }

  /** Gives all back if nobody has a page. */
  clear(): void {
    if (this.pool.free < this.pool.capacity) return
    this.pool.clear()
    for (const tensor of this.#tensors.values()) tensor.dispose()
    this.#tensors.clear()
  }

  async release(): Promise<void> {
    await this.#grow.release()
    await this.#copy.release()
  }

  #names(): string[] {
    return Array.from({ length: this.#text.layers }, (_, layer) => [
      `keys.${layer}`,
      `values.${layer}`,
    ]).flat()
  }
}

function firstPage(dims: readonly number[]): ort.Tensor {
  const size = dims.reduce((product, dim) => product * dim, 1)
  return new ort.Tensor('float16', new Uint16Array(size), [1, ...dims])
}
