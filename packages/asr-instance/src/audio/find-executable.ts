import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Looks a program up in a PATH; null when it is not there. Asked each time, so an installation needs no restart. */
export function findExecutable(name: string, path: string | undefined): string | null {
  for (const directory of (path ?? '').split(delimiter)) {
    if (directory === '') continue
    const candidate = join(directory, name)
    try {
      accessSync(candidate, constants.X_OK)
      if (statSync(candidate).isFile()) return candidate
    } catch {
      // Not in this directory.
    }
  }
  return null
}
