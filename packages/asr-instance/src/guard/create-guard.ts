import type { Logger } from 'pino'
import { ConfigurationError } from '../configuration-error.js'
import { ConnectionGuard } from './connection-guard.js'
import { createOwnerLookup, readSystemTable, type ReadTable } from './owner-lookup.js'

/** None where everybody may ask. Rejects with ConfigurationError where the system does not show whose a connection is. */
export async function createGuard(
  allowUsers: readonly number[] | null,
  { identity, log }: { identity: string | undefined; log: Logger },
  readTable: ReadTable = readSystemTable,
): Promise<ConnectionGuard | undefined> {
  if (allowUsers === null) return undefined
  await readTable('tcp').catch((error: Error) => {
    throw new ConfigurationError(
      `--allow-users: this system does not show whose a connection is: ${error.message}`,
    )
  })
  return new ConnectionGuard({
    identity,
    allowUsers,
    ownerOf: createOwnerLookup(readTable),
    onRefused: (uid) => log.warn({ uid }, 'connections of another user are not answered'),
  })
}
