import { readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { readPullRecord, storedFolders } from '../store/model-store.js'

export interface StoredModel {
  /** Hub id. */
  model: string
  /** `incomplete`: the pull has not been finished. */
  state: 'complete' | 'incomplete'
  dir: string
  revision: string | null
  commit: string | null
  pulledAt: string | null
  /** On the disk. */
  bytes: number
  /** In the cache, ready to start at once. */
  compiled: string[]
}

/** The models of the store. `compiledOf` names the quantizations that are in the cache for a folder. */
export async function listModels(
  env: NodeJS.ProcessEnv,
  compiledOf: (dir: string) => Promise<string[]>,
): Promise<StoredModel[]> {
  return Promise.all((await storedFolders(env)).map((dir) => describe(dir, compiledOf)))
}

async function describe(dir: string, compiledOf: (dir: string) => Promise<string[]>): Promise<StoredModel> {
  const record = readPullRecord(dir)
  return {
    model: record?.model ?? basename(dir).replace('--', '/'),
    state: record === null ? 'incomplete' : 'complete',
    dir,
    revision: record?.revision ?? null,
    commit: record?.commit ?? null,
    pulledAt: record?.pulledAt ?? null,
    bytes: await bytesIn(dir),
    // A damaged folder is listed too, so that somebody sees it.
    compiled: record === null ? [] : await compiledOf(dir).catch(() => []),
  }
}

async function bytesIn(dir: string): Promise<number> {
  const names = await readdir(dir)
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(dir, name)).then(
        (info) => info.size,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
