import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { IncludedFile } from './nginx-includes.js'

/** Files by a path with `*`, `?` and `[a-z]`, relative to a folder, sorted as glob(3) does for nginx. */
export function includedFiles(pattern: string, directory: string): IncludedFile[] {
  let paths = ['/']
  for (const part of resolve(directory, pattern).split('/').slice(1)) {
    paths = paths.flatMap((folder) => namesIn(folder, part).map((name) => join(folder, name)))
  }
  return paths.filter((path) => existsSync(path)).map((file) => ({ file, text: textOf(file) }))
}

function namesIn(folder: string, part: string): string[] {
  if (!/[*?[]/.test(part)) return [part]
  const expression = part
    .replaceAll(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('[!', '[^')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  try {
    const matches = new RegExp(`^${expression}$`, 's')
    const names = readdirSync(folder).filter((name) => part.startsWith('.') || !name.startsWith('.'))
    return names.filter((name) => matches.test(name)).toSorted()
  } catch {
    return []
  }
}

function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}
