import { join } from 'node:path'
import { compilerVersion, namesInCache, parseCacheEntry } from './cache-entry.js'
import { inspectEntry } from './entry-manifest.js'

export interface CheckedEntry {
  path: string
  /** What is wrong with it, as the rest of a sentence about it; undefined where all is as it was written. */
  damage: string | undefined
}

/** Reads every byte of the compiled models in the cache that this version uses. */
export async function checkEntries(cacheDir: string): Promise<CheckedEntry[]> {
  const checked: CheckedEntry[] = []
  for (const name of await namesInCache(cacheDir)) {
    const parsed = parseCacheEntry(name)
    if (parsed?.version !== compilerVersion || parsed.entry !== name) continue
    const path = join(cacheDir, name)
    const found = await inspectEntry(path, { thorough: true })
    checked.push({ path, damage: found.state === 'damaged' ? found.damage : undefined })
  }
  return checked
}
