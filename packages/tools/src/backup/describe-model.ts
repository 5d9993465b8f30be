import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'

export const modelFileSchema = z.object({
  path: z.string(),
  size: z.int(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
})
export type ModelFile = z.infer<typeof modelFileSchema>

/** Files of a model's folder, sorted by path, with their SHA-256; those that begin with a dot are left out. */
export async function describeModel(dir: string): Promise<ModelFile[]> {
  const entries = await readdir(dir, { withFileTypes: true, recursive: true })
  const paths = entries
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .filter((path) => !path.split('/').some((part) => part.startsWith('.')))
    .sort()
  const files: ModelFile[] = []
  // One after the other: a disk reads one large file faster than several.
  for (const path of paths) {
    const full = join(dir, path)
    const { size, isFile } = await stat(full).then((stats) => ({ size: stats.size, isFile: stats.isFile() }))
    if (!isFile) continue
    files.push({ path, size, sha256: await hashFile(full) })
  }
  return files
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

/** What differs between a model's folder and its description, a line each. Empty when nothing does. */
export async function compareModel(dir: string, expected: readonly ModelFile[]): Promise<string[]> {
  const found = await describeModel(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null
    throw error
  })
  if (found === null) return [`${dir} is missing`]
  const byPath = new Map(found.map((file) => [file.path, file]))
  return expected.flatMap(({ path, size, sha256 }) => {
    const file = byPath.get(path)
    if (!file) return [`${join(dir, path)} is missing`]
    if (file.size !== size) return [`${join(dir, path)} has ${file.size} bytes instead of ${size}`]
    return file.sha256 === sha256 ? [] : [`${join(dir, path)} has another checksum`]
  })
}
