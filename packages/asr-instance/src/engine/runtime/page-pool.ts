/** Which pages are in use, and by how many rows. Knows nothing of what stands in them. */
export class PagePool {
  /** Of every page: rows that have it; 0 if it is free. */
  readonly #uses: number[] = []
  readonly #free: number[] = []

  get capacity(): number {
    return this.#uses.length
  }

  get free(): number {
    return this.#free.length
  }

  /** There are `capacity` pages now. */
  grow(capacity: number): void {
    for (let page = this.capacity; page < capacity; page++) {
      this.#uses.push(0)
      this.#free.push(page)
    }
  }

  /** Throws if none is free: whoever takes has made room. */
  take(): number {
    const page = this.#free.pop()
    if (page === undefined) throw new Error('no page is free')
    this.#uses[page] = 1
    return page
  }

  share(page: number): void {
    this.#uses[page]!++
  }

  isShared(page: number): boolean {
    return this.#uses[page]! > 1
  }

  giveBack(page: number): void {
    if (--this.#uses[page]! === 0) this.#free.push(page)
  }

  /** There are no pages any more. Throws while one is in use. */
  clear(): void {
    if (this.#free.length < this.capacity) throw new Error('a page is in use')
    this.#uses.length = 0
    this.#free.length = 0
  }
}
