import { readdir, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { compilerVersion, namesInCache, parseCacheEntry } from './cache-entry.js'
import { withFileLock } from './file-lock.js'

/** A compiled model in the cache that no version from this one on will read again. */
export interface OutdatedEntry {
  path: string
  /** On the disk. */
  bytes: number
}

/**
 * What compilers of earlier versions wrote. Entries of later ones stay, as another program may share the cache, and those
 * of other processors too.
 */
export async function outdatedEntries(cacheDir: string): Promise<OutdatedEntry[]> {
  const paths = (await namesInCache(cacheDir)).filter(isOutdated).map((name) => join(cacheDir, name))
  return Promise.all(paths.map(async (path) => ({ path, bytes: await bytesBelow(path) })))
}

/**
 * Removes them, each when nobody compiles it. A process that has loaded one keeps its mapping until it ends; a program of
 * that earlier version compiles again at its next start.
 */
export async function removeOutdatedEntries(cacheDir: string): Promise<OutdatedEntry[]> {
  const entries = await outdatedEntries(cacheDir)
  for (const { path } of entries) {
    const lock = join(cacheDir, `${parseCacheEntry(basename(path))!.entry}.lock`)
    await withFileLock(lock, () => rm(path, { recursive: true, force: true }))
  }
  return entries
}

function isOutdated(name: string): boolean {
  const parsed = parseCacheEntry(name)
  return parsed !== undefined && parsed.version < compilerVersion
}

async function bytesBelow(dir: string): Promise<number> {
  const files = await readdir(dir, { recursive: true, withFileTypes: true })
  const sizes = files
    .filter((file) => file.isFile())
    .map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size)
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}
