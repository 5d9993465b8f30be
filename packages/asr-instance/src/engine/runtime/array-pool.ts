const arrays = { float32: Float32Array, float16: Uint16Array, uint8: Uint8Array, int8: Int8Array }

/** float16 as its bits. */
export type ArrayType = keyof typeof arrays
export type CacheValues = Float32Array | Uint16Array | Uint8Array | Int8Array

/** A larger array is taken for a smaller one up to this factor. */
const mostWaste = 4

/**
 * Of arrays that could stand for each other so many times as many are kept as come back together. A cache that grows
 * takes another set before it gives its own back; those of all its sizes would be several times its memory.
 */
const setsKept = 2

/**
 * Arrays to be used again. New memory is handed out by the operating system page by page as it is touched, which takes
 * longer than to copy as much; the caches of a burst of requests would spend a twentieth of its time on that.
 */
export class ArrayPool {
  readonly #free = new Map<ArrayType, CacheValues[]>()

  /** At least so many values: zeros, or finite ones that another cache left. */
  take(type: ArrayType, length: number): CacheValues {
    const free = this.#free.get(type) ?? []
    let best = -1
    for (const [index, array] of free.entries()) {
      const fits = array.length >= length && array.length <= mostWaste * length
      if (fits && (best < 0 || array.length < free[best]!.length)) best = index
    }
    return best < 0 ? new arrays[type](length) : free.splice(best, 1)[0]!
  }

  /** Those of one cache, which are of like size where they are of the same type. */
  give(used: readonly CacheValues[]): void {
    for (const type of new Set(used.map(typeOf))) {
      const given = used.filter((array) => typeOf(array) === type)
      const free = [...(this.#free.get(type) ?? []), ...given]
      const longest = Math.max(...given.map(({ length }) => length))
      const alike = free
        .filter(({ length }) => length <= mostWaste * longest && longest <= mostWaste * length)
        .toSorted((a, b) => b.length - a.length)
      const dropped = new Set(alike.slice(setsKept * given.length))
      this.#free.set(
        type,
        free.filter((array) => !dropped.has(array)),
      )
    }
  }

  /** Leaves all that is not in use to the garbage collector. */
  clear(): void {
    this.#free.clear()
  }
}

function typeOf(array: CacheValues): ArrayType {
  if (array instanceof Float32Array) return 'float32'
  if (array instanceof Uint16Array) return 'float16'
  return array instanceof Uint8Array ? 'uint8' : 'int8'
}
