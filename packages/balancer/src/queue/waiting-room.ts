import { FairQueue } from './fair-queue.js'

export interface Waiting {
  client: string
  /** Line it stands in: requests that any member may serve, or those of one group. */
  group: string | undefined
  /** A replay stands before everything else. */
  replay: boolean
}

/** All waiting requests: replays first and in order, then one fair queue for each group. */
export class WaitingRoom<T extends Waiting> {
  readonly #replays: T[] = []
  readonly #lines = new Map<string | undefined, FairQueue<T & { order: number }>>()
  #arrivals = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  add(item: T): void {
    this.#size += 1
    if (item.replay) {
      this.#replays.push(item)
      return
    }
    const line = this.#lines.get(item.group) ?? new FairQueue<T & { order: number }>()
    this.#lines.set(item.group, line)
    line.push(item.client, Object.assign(item, { order: this.#arrivals++ }))
  }

  remove(item: T): boolean {
    let removed: boolean
    if (item.replay) {
      const position = this.#replays.indexOf(item)
      removed = position >= 0
      if (removed) this.#replays.splice(position, 1)
    } else {
      const line = this.#lines.get(item.group)
      removed = line?.remove(item.client, item as T & { order: number }) ?? false
      if (line?.size === 0) this.#lines.delete(item.group)
    }
    if (removed) this.#size -= 1
    return removed
  }

  /** Takes the first item that `fits`; of a fair queue only the one whose turn it is is asked. */
  take(fits: (item: T) => boolean): T | undefined {
    for (const item of this.#replays) {
      if (fits(item)) {
        this.remove(item)
        return item
      }
    }
    const heads = [...this.#lines.values()].map((line) => line.peek() as T & { order: number })
    heads.sort((a, b) => a.order - b.order)
    const head = heads.find(fits)
    if (!head) return undefined
    const line = this.#lines.get(head.group)
    line?.shift()
    if (line?.size === 0) this.#lines.delete(head.group)
    this.#size -= 1
    return head
  }
}
