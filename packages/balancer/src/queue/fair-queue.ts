/**
 * FIFO within a client, round robin between clients: one client's long line delays another by one request per turn.
 * Push and shift are O(1) in the number of clients; `remove` is linear in one client's line.
 */
export class FairQueue<T> {
  /** The insertion order of a Map is the ring of clients: the first key has its turn. */
  readonly #lines = new Map<string, T[]>()
  #size = 0

  get size(): number {
    return this.#size
  }

  push(client: string, item: T): void {
    const line = this.#lines.get(client)
    if (line) line.push(item)
    else this.#lines.set(client, [item])
    this.#size += 1
  }

  /** The item that `shift` would take. */
  peek(): T | undefined {
    for (const line of this.#lines.values()) return line[0]
    return undefined
  }

  shift(): T | undefined {
    for (const [client, line] of this.#lines) {
      const item = line.shift()
      this.#lines.delete(client)
      if (line.length > 0) this.#lines.set(client, line)
      this.#size -= 1
      return item
    }
    return undefined
  }

  /** Takes the item out wherever it stands; false when it is not there. */
  remove(client: string, item: T): boolean {
    const line = this.#lines.get(client)
    const position = line?.indexOf(item) ?? -1
    if (!line || position < 0) return false
    line.splice(position, 1)
    if (line.length === 0) this.#lines.delete(client)
    this.#size -= 1
    return true
  }
}
