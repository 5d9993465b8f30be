import { describe, expect, it } from 'vitest'
import { createOwnerLookup } from './owner-lookup.js'
import type { Connection } from './socket-table.js'

const from = (port: number): Connection => ({
  local: { address: '127.0.0.1', port },
  remote: { address: '127.0.0.1', port: 7_861 },
})
const lineOf = (port: number): string =>
  `  0: 0100007F:${port.toString(16).toUpperCase()} 0100007F:1EB5 01 0:0 0:0 0 1000 0 77 1\n`

/** Reads of `tcp`, each of which ends when the test says so. */
function controlledTable() {
  const reads: { end: (text: string) => void; fail: (error: Error) => void }[] = []
  const ownerOf = createOwnerLookup((name) =>
    name === 'tcp6'
      ? Promise.resolve('')
      : new Promise((end, fail) => {
          reads.push({ end, fail })
        }),
  )
  const nextRead = (count: number): Promise<void> => expect.poll(() => reads.length).toBe(count)
  return { ownerOf, reads, nextRead }
}

describe('the look-up of owners', () => {
  it('reads once for all who ask meanwhile, and what was read before they asked does not count', async () => {
    const { ownerOf, reads, nextRead } = controlledTable()
    const first = ownerOf(from(40_000))
    const others = [40_001, 40_002, 40_003].map((port) => ownerOf(from(port)))
    expect(reads).toHaveLength(1)
    reads[0]?.end(lineOf(40_000) + lineOf(40_001))
    expect(await first).toBe(1_000)
    await nextRead(2)
    reads[1]?.end([40_001, 40_002, 40_003].map(lineOf).join(''))
    expect(await Promise.all(others)).toEqual([1_000, 1_000, 1_000])
    expect(reads).toHaveLength(2)
  })

  it('looks again for what is missing, and after a read that failed', async () => {
    const { ownerOf, reads, nextRead } = controlledTable()
    const owner = ownerOf(from(40_000))
    reads[0]?.end(lineOf(40_001))
    await nextRead(2)
    reads[1]?.fail(new Error('EMFILE'))
    await nextRead(3)
    reads[2]?.end(lineOf(40_000))
    expect(await owner).toBe(1_000)
    const nobody = ownerOf(from(40_009))
    for (const count of [4, 5, 6]) {
      await nextRead(count)
      reads[count - 1]?.end('')
    }
    expect(await nobody).toBeUndefined()
  })
})
