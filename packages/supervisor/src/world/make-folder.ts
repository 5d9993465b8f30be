import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes a folder and those above it that are missing. Node's own `recursive` never returns where a folder that is there
 * denies having been found, as /proc does. Throws what the system says.
 */
export function makeFolder(path: string, mode = 0o777): void {
  if (tryToMake(path, mode)) return
  makeFolder(dirname(path), mode)
  if (!tryToMake(path, mode)) throw missing(path)
}

/** False where the folder above is missing. */
function tryToMake(path: string, mode: number): boolean {
  try {
    mkdirSync(path, { mode })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return false
    if (code !== 'EEXIST') throw error
  }
  return true
}

const missing = (path: string): Error =>
  Object.assign(new Error(`ENOENT: no folder can be made at ${path}`), { code: 'ENOENT' })
