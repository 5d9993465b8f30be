import { join } from 'node:path'
import { readPullRecord, storedFolders } from '../store/model-store.js'
import { checkFile } from './check-file.js'

/** A pulled model or a compiled one whose files were all read. */
export interface CheckedModel {
  path: string
  /** What is wrong with it, as the rest of a sentence about it; undefined where all is as it was written. */
  damage: string | undefined
}

/** Reads every file of the models in the store and compares it with what was pulled. Unfinished pulls are left out. */
export async function checkModels(env: NodeJS.ProcessEnv): Promise<CheckedModel[]> {
  const checked: CheckedModel[] = []
  for (const dir of await storedFolders(env)) {
    const damage = await damageIn(dir)
    if (damage !== null) checked.push({ path: dir, damage })
  }
  return checked
}

async function damageIn(dir: string): Promise<string | undefined | null> {
  const record = readPullRecord(dir)
  if (record === null) return null
  for (const file of record.files) {
    const result = await checkFile(join(dir, file.path), { ...file, gitOid: null }).catch(
      (error: NodeJS.ErrnoException) => ({ ok: false as const, fault: `cannot be read (${error.code})` }),
    )
    if (!result.ok) return `${file.path} ${result.fault}`
  }
  return undefined
}
