export interface Place<T> {
  client: string
  item: T
  /** The lower, the sooner. */
  turn: number
}

/**
 * FIFO within a client, round robin between clients: one client's long line delays another by one request per turn.
 * Turns are numbers that only grow, so that those of several queues can be compared. All is O(1) in the number of clients;
 * `remove` is linear in one client's line.
 */
export class FairQueue<T> {
  /** In the order of their turns: whoever comes or is served gets the highest one and the last place. */
  readonly #lines = new Map<string, { items: T[]; turn: number }>()
  #size = 0

  get size(): number {
    return this.#size
  }

  /** `turn` is higher than all before; a client that waits already keeps its own. */
  push(client: string, item: T, turn: number): void {
    const line = this.#lines.get(client)
    if (line) line.items.push(item)
    else this.#lines.set(client, { items: [item], turn })
    this.#size += 1
  }

  /** Whose turn it is. */
  first(): Place<T> | undefined {
    for (const [client, { items, turn }] of this.#lines) return { client, item: items[0] as T, turn }
    return undefined
  }

  /** The client was served, from this queue or another; `turn` is higher than all before. */
  passTurn(client: string, turn: number): void {
    const line = this.#lines.get(client)
    if (!line) return
    this.#lines.delete(client)
    this.#lines.set(client, { items: line.items, turn })
  }

  /** Takes the item out wherever it stands; false when it is not there. */
  remove(client: string, item: T): boolean {
    const items = this.#lines.get(client)?.items
    const position = items?.indexOf(item) ?? -1
    if (!items || position < 0) return false
    items.splice(position, 1)
    if (items.length === 0) this.#lines.delete(client)
    this.#size -= 1
    return true
  }
}
