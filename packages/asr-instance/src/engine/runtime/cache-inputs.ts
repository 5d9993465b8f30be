import { ort } from './onnxruntime.js'
import type { KvCache } from './kv-cache.js'

/** A cache in the host's memory as the inputs of a decoder graph, without a copy. */
export class CacheInputs {
  /** Dimensions of each input, numbers for those that never change. */
  readonly #dims: ReadonlyMap<string, readonly (number | string)[]>
  /** As they were the last time. */
  #bound: { views: KvCache['views']; feeds: Record<string, ort.Tensor> } | undefined

  constructor({ inputMetadata }: ort.InferenceSession) {
    this.#dims = new Map(inputMetadata.map((input) => [input.name, input.isTensor ? input.shape : []]))
  }

  has(name: string): boolean {
    return this.#dims.has(name)
  }

  /** Holds no cache's memory any more. */
  clear(): void {
    this.#bound = undefined
  }

  feeds(cache: KvCache): Record<string, ort.Tensor> {
    const { views } = cache
    if (this.#bound?.views === views) return this.#bound.feeds
    const feeds: Record<string, ort.Tensor> = {}
    const sizes: Record<string, number> = { batch: cache.rows, past: cache.capacity }
    for (const [part, { name, type }] of cache.parts.entries()) {
      for (const [layer, view] of views[part]!.entries()) {
        const input = `past_${name}.${layer}`
        const dims = this.#dims.get(input)!.map((dim) => (typeof dim === 'number' ? dim : sizes[dim]!))
        feeds[input] = new ort.Tensor(type as 'float32', view as Float32Array, dims)
      }
    }
    this.#bound = { views, feeds }
    return feeds
  }
}
