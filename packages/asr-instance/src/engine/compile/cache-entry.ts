import { readdir } from 'node:fs/promises'

/** Raise it whenever the compiler writes something else for the same input. */
export const compilerVersion = 8

/** Name of a compiled model's folder in the cache. `place`: what it is compiled for, a kind of processor or of device. */
export function cacheEntryName(contentHash: string, place: string, quantization: string): string {
  return `${contentHash.slice(0, 24)}-${place}-${quantization}-v${compilerVersion}`
}

/** What a folder in the cache is: an entry, or behind a dot what a killed compiler of that entry left; else undefined. */
export function parseCacheEntry(folder: string): { entry: string; version: number } | undefined {
  const match = /^([0-9a-f]{24}-.+-v(\d+))(?:\.[0-9a-f-]+\.tmp)?$/.exec(folder)
  return match ? { entry: match[1]!, version: Number(match[2]) } : undefined
}

/** What is in the cache; one that does not exist yet is empty. */
export async function namesInCache(cacheDir: string): Promise<string[]> {
  return readdir(cacheDir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
}
