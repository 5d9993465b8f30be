import { pageTokens } from '../compile/page-graphs.js'
import type { PagePool } from './page-pool.js'
import type { SequenceCache } from './sequence-cache.js'

/** A row's tokens stand in its pages one after the other; behind them the last page is free. */
export interface PagedRow {
  pages: number[]
  length: number
}

/** A page whose content is to be copied before another row writes into it. */
export interface PageCopy {
  from: number
  to: number
}

/** Rows that share one pool of pages with those of other caches. They join and leave without anything being moved. */
export class PagedCache implements SequenceCache {
  readonly #pool: PagePool
  readonly list: PagedRow[] = []

  constructor(pool: PagePool) {
    this.#pool = pool
  }

  get rows(): number {
    return this.list.length
  }

  length(row: number): number {
    return this.list[row]!.length
  }

  addRow(): number {
    return this.list.push({ pages: [], length: 0 }) - 1
  }

  truncate(length: number): void {
    const row = this.list[0]!
    row.length = Math.min(row.length, length)
    while (row.pages.length > pagesOf(row.length)) this.#pool.giveBack(row.pages.pop()!)
  }

  adopt(other: PagedCache): number {
    const [row] = other.list.splice(0) as [PagedRow]
    return this.list.push(row) - 1
  }

  copy(other: PagedCache): number {
    const { pages, length } = other.list[0]!
    for (const page of pages) this.#pool.share(page)
    return this.list.push({ pages: [...pages], length }) - 1
  }

  removeRow(row: number): void {
    for (const page of this.list[row]!.pages) this.#pool.giveBack(page)
    const last = this.list.pop()!
    if (row < this.list.length) this.list[row] = last
  }
}

/** How many free pages `tokens` more of a row take, a copy of a shared one included. */
export function missingPages(pool: PagePool, row: PagedRow, tokens: number): number {
  return pagesOf(row.length + tokens) - row.pages.length + (sharedEnd(pool, row) === undefined ? 0 : 1)
}

/** Gives a row the pages for `tokens` more; answers what has to be copied before they are written. */
export function takePages(pool: PagePool, row: PagedRow, tokens: number): PageCopy | undefined {
  const from = sharedEnd(pool, row)
  let copy: PageCopy | undefined
  if (from !== undefined) {
    copy = { from, to: pool.take() }
    row.pages[endPage(row)] = copy.to
    pool.giveBack(from)
  }
  while (row.pages.length < pagesOf(row.length + tokens)) row.pages.push(pool.take())
  return copy
}

/** The page that the row's next token goes into, if others have it as well. */
function sharedEnd(pool: PagePool, row: PagedRow): number | undefined {
  const page = row.pages[endPage(row)]
  return page !== undefined && pool.isShared(page) ? page : undefined
}

/** Which of a row's pages its next token goes into; it may not have it yet. */
function endPage({ length }: PagedRow): number {
  return Math.floor(length / pageTokens)
}

function pagesOf(tokens: number): number {
  return Math.ceil(tokens / pageTokens)
}
