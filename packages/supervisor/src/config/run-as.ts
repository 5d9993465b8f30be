import { readFileSync } from 'node:fs'
import { MachineMismatchError } from './config-error.js'
import type { RunAs } from '../process/spawner.js'

/** What is needed to know who we are and who others are. */
export interface UserDatabase {
  currentUid(): number
  passwd(): string
}

export const systemUsers: UserDatabase = {
  currentUid: () => process.getuid?.() ?? 0,
  passwd: () => readFileSync('/etc/passwd', 'utf8'),
}

/**
 * Whom the programs run as, given `supervisor.user`; null for whoever we are.
 * Throws MachineMismatchError.
 */
export function resolveRunAs(user: string | undefined, users: UserDatabase = systemUsers): RunAs | null {
  if (user === undefined) return null
  const runAs = findUser(user, users)
  if (runAs.uid === users.currentUid()) return null
  if (users.currentUid() !== 0)
    throw new MachineMismatchError(`only root can run the programs as \`${user}\``)
  return runAs
}

/** By name or number. Throws MachineMismatchError. */
export function findUser(user: string, users: UserDatabase): RunAs {
  const entry = users
    .passwd()
    .split('\n')
    .map((line) => line.split(':'))
    .find((fields) => fields[0] === user || fields[2] === user)
  if (!entry) throw new MachineMismatchError(`there is no user \`${user}\` on this machine`)
  return {
    name: entry[0] ?? user,
    uid: Number(entry[2]),
    gid: Number(entry[3]),
    home: entry[5] ?? '/',
  }
}
