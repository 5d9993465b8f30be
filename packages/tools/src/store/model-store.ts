import { readFileSync } from 'node:fs'
import { readdir, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { folderOf } from './model-id.js'
import { isSafePath } from './safe-path.js'

/** Written last: a folder without it is a pull that has not been finished. */
const recordFile = '.asr-cluster-pull.json'

const recordSchema = z.object({
  version: z.literal(1),
  model: z.string(),
  /** As asked for, for example `main`. */
  revision: z.string(),
  /** What that was then; null where the hub does not tell. */
  commit: z.string().nullable(),
  pulledAt: z.string(),
  // The folder may have come from elsewhere, and what a record names is removed by the next pull. All lie side by side,
  // so that no link to another folder is followed.
  files: z.array(
    z.object({
      path: z.string().refine((path) => isSafePath(path) && !path.includes('/')),
      size: z.int(),
      sha256: z.string(),
    }),
  ),
})

/** What was pulled into a folder. */
export type PullRecord = z.infer<typeof recordSchema>

/** `$XDG_DATA_HOME/asr-cluster/models`. */
export function modelStoreDir(env: NodeJS.ProcessEnv): string {
  return join(env['XDG_DATA_HOME'] || join(homedir(), '.local/share'), 'asr-cluster/models')
}

/** Where a model of the hub is kept. */
export function modelDir(id: string, env: NodeJS.ProcessEnv): string {
  return join(modelStoreDir(env), folderOf(id))
}

/** Folder of a model that was pulled as a whole; null if it was not. */
export function findPulledModel(id: string, env: NodeJS.ProcessEnv): string | null {
  const dir = modelDir(id, env)
  return readPullRecord(dir) === null ? null : dir
}

export function readPullRecord(dir: string): PullRecord | null {
  try {
    const parsed = recordSchema.safeParse(JSON.parse(readFileSync(join(dir, recordFile), 'utf8')))
    return parsed.success ? parsed.data : null
  } catch {
    return null
  }
}

export async function writePullRecord(dir: string, record: PullRecord): Promise<void> {
  const path = join(dir, recordFile)
  await writeFile(`${path}.tmp`, `${JSON.stringify(record, null, 2)}\n`)
  await rename(`${path}.tmp`, path)
}

/** From here on until it is written again the folder counts as incomplete. */
export async function removePullRecord(dir: string): Promise<void> {
  await rm(join(dir, recordFile), { force: true })
}

/** Folders of the store, complete or not, by name. */
export async function storedFolders(env: NodeJS.ProcessEnv): Promise<string[]> {
  const dir = modelStoreDir(env)
  const entries = await readdir(dir, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(dir, entry.name))
    .sort()
}
