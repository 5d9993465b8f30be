import { describe, expect, test } from 'vitest'
import { pageTokens } from '../compile/page-graphs.js'
import { PagePool } from './page-pool.js'
import { missingPages, PagedCache, takePages } from './paged-cache.js'

function poolOf(pages: number): PagePool {
  const pool = new PagePool()
  pool.grow(pages)
  return pool
}

/** What a decoder's step does with a row. */
function append(pool: PagePool, cache: PagedCache, row: number, tokens: number) {
  const copy = takePages(pool, cache.list[row]!, tokens)
  cache.list[row]!.length += tokens
  return copy
}

function rowOf(pool: PagePool, tokens: number): PagedCache {
  const cache = new PagedCache(pool)
  append(pool, cache, cache.addRow(), tokens)
  return cache
}

describe('pages', () => {
  test('a row takes pages as it grows, and gives them back', () => {
    const pool = poolOf(4)
    const cache = rowOf(pool, pageTokens)
    expect(cache.list[0]!.pages).toHaveLength(1)
    append(pool, cache, 0, 1)
    expect(cache.list[0]!.pages).toHaveLength(2)
    expect(pool.free).toBe(2)
    cache.removeRow(0)
    expect(pool.free).toBe(4)
  })

  test('what is missing is what is then taken', () => {
    const pool = poolOf(20)
    const cache = rowOf(pool, pageTokens - 3)
    const batch = new PagedCache(pool)
    batch.copy(cache)
    for (const tokens of [1, 3, 4, 2 * pageTokens, 5 * pageTokens + 1]) {
      const [missing, free] = [missingPages(pool, batch.list[0]!, tokens), pool.free]
      append(pool, batch, 0, tokens)
      expect(free - pool.free).toBe(missing)
    }
  })

  test('a pool that is empty says so, and one in use cannot be cleared', () => {
    const pool = poolOf(1)
    const page = pool.take()
    expect(() => pool.take()).toThrow('no page is free')
    expect(() => pool.clear()).toThrow('in use')
    pool.giveBack(page)
    pool.clear()
    expect(pool.capacity).toBe(0)
  })
})

describe('rows', () => {
  test('join and leave in any order and keep their pages', () => {
    const pool = poolOf(20)
    const batch = new PagedCache(pool)
    for (const tokens of [20, 40, 5]) batch.adopt(rowOf(pool, tokens))
    const pages = batch.list.map((row) => [...row.pages])
    batch.removeRow(0)
    expect([batch.length(0), batch.length(1)]).toEqual([5, 40])
    expect(batch.list.map((row) => row.pages)).toEqual([pages[2], pages[1]])
    append(pool, batch, 1, 1)
    expect(batch.list[1]!.pages.slice(0, 3)).toEqual(pages[1])
  })

  test('a copy shares pages until one of them writes: then only the page that is written is copied', () => {
    const pool = poolOf(10)
    const kept = rowOf(pool, 2 * pageTokens + 3)
    const batch = new PagedCache(pool)
    batch.copy(kept)
    expect(pool.free).toBe(7)
    const before = [...kept.list[0]!.pages]
    const copy = append(pool, batch, 0, 1)
    expect(copy).toEqual({ from: before[2], to: batch.list[0]!.pages[2] })
    expect(batch.list[0]!.pages.slice(0, 2)).toEqual(before.slice(0, 2))
    // The other one has its page for itself now.
    expect(append(pool, kept, 0, 1)).toBeUndefined()
    expect(kept.list[0]!.pages).toEqual(before)
    batch.removeRow(0)
    kept.removeRow(0)
    expect(pool.free).toBe(10)
  })

  test('a copy whose last page is full needs no copy of it', () => {
    const pool = poolOf(10)
    const kept = rowOf(pool, pageTokens)
    const batch = new PagedCache(pool)
    batch.copy(kept)
    expect(append(pool, batch, 0, 1)).toBeUndefined()
    expect(append(pool, kept, 0, 1)).toBeUndefined()
    expect(kept.list[0]!.pages[1]).not.toBe(batch.list[0]!.pages[1])
  })

  test('a row that is cut inside a shared page gets its own when it goes on', () => {
    const pool = poolOf(10)
    const kept = rowOf(pool, 2 * pageTokens)
    const batch = new PagedCache(pool)
    batch.copy(kept)
    kept.truncate(pageTokens + 2)
    expect(kept.length(0)).toBe(pageTokens + 2)
    const copy = append(pool, kept, 0, 1)
    expect(copy?.from).toBe(batch.list[0]!.pages[1])
    kept.truncate(0)
    expect(kept.list[0]!.pages).toEqual([])
    batch.removeRow(0)
    expect(pool.free).toBe(10)
  })

  test('pages that a failed run left are used by the next one', () => {
    const pool = poolOf(10)
    const cache = rowOf(pool, 3)
    takePages(pool, cache.list[0]!, 40)
    expect(missingPages(pool, cache.list[0]!, 40)).toBe(0)
    append(pool, cache, 0, 40)
    expect(cache.list[0]!.pages).toHaveLength(Math.ceil(43 / pageTokens))
  })
})
