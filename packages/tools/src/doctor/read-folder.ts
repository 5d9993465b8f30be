import { access, constants, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { FolderFact } from './facts.js'

/** Free space of a folder, or of the nearest one above it that is there. */
export async function readFolder(purpose: string, path: string): Promise<FolderFact> {
  const existing = await nearestExisting(path)
  try {
    await access(existing, constants.W_OK)
    const { bavail, bsize } = await statfs(existing)
    return { purpose, path, freeBytes: bavail * bsize, trouble: null }
  } catch (error) {
    return {
      purpose,
      path,
      freeBytes: 0,
      trouble: `cannot be written (${(error as NodeJS.ErrnoException).code})`,
    }
  }
}

async function nearestExisting(path: string): Promise<string> {
  for (let folder = path; ; folder = dirname(folder)) {
    const isThere = await access(folder).then(
      () => true,
      () => false,
    )
    if (isThere || dirname(folder) === folder) return folder
  }
}
