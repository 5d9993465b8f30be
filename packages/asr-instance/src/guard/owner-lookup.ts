import { readFile } from 'node:fs/promises'
import { ownerIn, tablesOf, type Connection, type TableName } from './socket-table.js'

export type ReadTable = (name: TableName) => Promise<string>
/** Uid of who holds the local end; undefined if nobody of this machine does, or no longer. */
export type OwnerLookup = (connection: Connection) => Promise<number | undefined>

/** Rejects where the kernel shows no such table. */
export const readSystemTable: ReadTable = (name) => readFile(`/proc/net/${name}`, 'latin1')

/**
 * The table is read in pieces, and a line may be missing from it when others leave meanwhile; so what is not found is
 * looked for again.
 */
const mostLooks = 3

/**
 * Looks up owners of connections. However many are asked for at once, each table is read by one reader at a time: a read
 * costs some microseconds for each socket of the machine, and whoever opens connections must not be able to multiply that.
 */
export function createOwnerLookup(readTable: ReadTable = readSystemTable): OwnerLookup {
  const fresh = {
    tcp: createFreshRead(() => readTable('tcp')),
    tcp6: createFreshRead(() => readTable('tcp6')),
  }
  return async (connection) => {
    for (let look = 0; look < mostLooks; look += 1) {
      for (const name of tablesOf(connection)) {
        const text = await fresh[name]().catch(() => '')
        const owner = ownerIn(text, name, connection)
        if (owner !== undefined) return owner
      }
    }
    return undefined
  }
}

/** The result of a read that begins after the call; those who call while one runs share the next one. */
function createFreshRead(read: () => Promise<string>): () => Promise<string> {
  let running: Promise<string> | undefined
  let next: Promise<string> | undefined
  const start = (): Promise<string> => {
    const mine = read().finally(() => {
      if (running === mine) running = undefined
    })
    running = mine
    return mine
  }
  return () => {
    if (running === undefined) return start()
    next ??= running
      .catch(() => '')
      .then(() => {
        next = undefined
        return start()
      })
    return next
  }
}
