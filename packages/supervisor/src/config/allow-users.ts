import { accessSync, constants } from 'node:fs'
import type { RunAs } from '../process/spawner.js'
import { findUser, systemUsers } from './run-as.js'
import type { UserDatabase } from './run-as.js'

const rootUid = 0

/**
 * Uids that instances answer on their own ports, which all users of the machine can reach: root, ours, that of the
 * programs, and the configured ones. Null for all: where that is configured, and where the system does not show whose a
 * connection is (all but Linux, and a sandbox without /proc/net). Throws MachineMismatchError.
 */
export function resolveAllowUsers(
  configured: 'any' | readonly string[],
  runAs: RunAs | null,
  users: UserDatabase = systemUsers,
  showsOwners: boolean = systemShowsOwners(),
): number[] | null {
  if (configured === 'any' || !showsOwners) return null
  const others = configured.map((name) => (/^\d+$/.test(name) ? Number(name) : findUser(name, users).uid))
  const own = [rootUid, users.currentUid(), ...(runAs ? [runAs.uid] : [])]
  return [...new Set([...own, ...others])].sort((a, b) => a - b)
}

function systemShowsOwners(): boolean {
  try {
    accessSync('/proc/net/tcp', constants.R_OK)
    return true
  } catch {
    return false
  }
}
