import { FairQueue, type Place } from './fair-queue.js'

export interface Waiting {
  client: string
  /** Line it stands in: requests that any member may serve, or those of one group. */
  group: string | undefined
  /** A replay stands before everything else. */
  replay: boolean
  /** A further place of one that waits in the line of another client: it counts as no request. */
  standIn?: boolean
}

type Arrived<T> = T & { arrival: number }

/**
 * All waiting requests: replays first and in order, then one fair queue for each group. A client has one turn, in
 * whichever of them it is served, so that naming its model in several ways gains it nothing.
 */
export class WaitingRoom<T extends Waiting> {
  readonly #replays: T[] = []
  readonly #lines = new Map<string | undefined, FairQueue<Arrived<T>>>()
  readonly #standIns = new Map<string | undefined, number>()
  /** Counts arrivals and turns. */
  #count = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  add(item: T): void {
    this.#counted(item, 1)
    if (item.replay) {
      this.#replays.push(item)
      return
    }
    const line = this.#lines.get(item.group) ?? new FairQueue<Arrived<T>>()
    this.#lines.set(item.group, line)
    const arrival = this.#count++
    line.push(item.client, Object.assign(item, { arrival }), arrival)
  }

  remove(item: T): boolean {
    let removed: boolean
    if (item.replay) {
      const position = this.#replays.indexOf(item)
      removed = position >= 0
      if (removed) this.#replays.splice(position, 1)
    } else {
      const line = this.#lines.get(item.group)
      removed = line?.remove(item.client, item as Arrived<T>) ?? false
      if (line?.size === 0) this.#lines.delete(item.group)
    }
    if (removed) this.#counted(item, -1)
    return removed
  }

  #counted({ standIn, group }: T, change: 1 | -1): void {
    if (!standIn) {
      this.#size += change
      return
    }
    const count = (this.#standIns.get(group) ?? 0) + change
    if (count > 0) this.#standIns.set(group, count)
    else this.#standIns.delete(group)
  }

  /** Takes the first item that `fits`; of a fair queue only the one whose turn it is is asked. */
  take(fits: (item: T) => boolean): T | undefined {
    const item = this.#replays.find(fits) ?? this.#heads().find(fits)
    if (!item) return undefined
    this.remove(item)
    if (!item.replay) {
      const turn = this.#count++
      for (const line of this.#lines.values()) line.passTurn(item.client, turn)
    }
    return item
  }

  /** What is waited for: each replay, and each head of a group with the number of those that need the same. */
  needs(): { item: T; count: number }[] {
    const replays = this.#replays.map((item) => ({ item, count: 1 }))
    const heads = this.#heads().map((item) => ({
      item,
      count: (this.#lines.get(item.group)?.size ?? 0) - (this.#standIns.get(item.group) ?? 0),
    }))
    return [...replays, ...heads]
  }

  /** One for each group, in the order of their turns; those of one client in the order in which they came. */
  #heads(): T[] {
    return [...this.#lines.values()]
      .map((line) => line.first() as Place<Arrived<T>>)
      .sort((a, b) => a.turn - b.turn || a.item.arrival - b.item.arrival)
      .map(({ item }) => item)
  }
}
