/** Virtual time: a binary heap of what is due, in order; the balancer's `Clock`. */
export class EventClock {
  #nowMs = 0
  #heap = []
  #order = 0

  nowMs() {
    return this.#nowMs
  }

  after(delayMs, run) {
    const event = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run }
    this.#push(event)
    return () => {
      event.run = undefined
    }
  }

  /** Runs everything up to the end; what a promise brings about happens before time goes on. */
  async run() {
    for (;;) {
      const event = this.#pop()
      if (!event) return
      if (!event.run) continue
      this.#nowMs = event.atMs
      event.run()
      for (let turn = 0; turn < 3; turn += 1) await Promise.resolve()
    }
  }

  #push(event) {
    const heap = this.#heap
    let at = heap.push(event) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (isBefore(heap[parent], event)) break
      heap[at] = heap[parent]
      at = parent
    }
    heap[at] = event
  }

  #pop() {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (heap.length === 0) return top
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child += 1
      if (isBefore(last, heap[child])) break
      heap[at] = heap[child]
      at = child
    }
    heap[at] = last
    return top
  }
}

function isBefore(a, b) {
  return a.atMs === b.atMs ? a.order < b.order : a.atMs < b.atMs
}
