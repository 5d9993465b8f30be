export interface BagEntry<T> {
  readonly item: T
  /** -1 once it is out. */
  index: number
}

/**
 * Things that come and go, in no order. A Set, of which one element or another is there at any time, costs much more: V8's
 * hash tables are replaced as they are used up, each old one holds the next one and what was in it then, and so whatever a
 * short request was made of survives until the next full garbage collection (a sixth of all garbage, 15 % of the CPU time).
 */
export class Bag<T> {
  readonly #entries: BagEntry<T>[] = []

  get size(): number {
    return this.#entries.length
  }

  add(item: T): BagEntry<T> {
    const entry = { item, index: this.#entries.length }
    this.#entries.push(entry)
    return entry
  }

  /** Does nothing the second time. */
  remove(entry: BagEntry<T>): void {
    if (entry.index < 0) return
    const last = this.#entries.pop() as BagEntry<T>
    if (last !== entry) {
      this.#entries[entry.index] = last
      last.index = entry.index
    }
    entry.index = -1
  }

  /** Those of now, whatever is added or removed meanwhile. */
  [Symbol.iterator](): Iterator<T> {
    return this.#entries.map(({ item }) => item).values()
  }
}
