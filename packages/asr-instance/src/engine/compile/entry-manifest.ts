import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { z } from 'zod'

const manifestName = 'manifest.json'
const manifestSchema = z.object({
  /** Bytes of each file, by its path within the entry, with slashes. */
  files: z.record(z.string(), z.int().min(0)),
})

export type EntryState =
  | { state: 'absent' | 'whole' }
  /** `damage`: what is wrong, as the rest of a sentence about the entry. */
  | { state: 'damaged'; damage: string }

/** Writes down what the entry consists of; to be called when all else is written. */
export async function writeManifest(dir: string): Promise<void> {
  const sizes = (await readdir(dir, { recursive: true, withFileTypes: true }))
    .filter((file) => file.isFile())
    .map(async ({ parentPath, name }) => {
      const path = join(parentPath, name)
      return [relative(dir, path).replaceAll(sep, '/'), (await stat(path)).size] as const
    })
  const manifest: z.input<typeof manifestSchema> = { files: Object.fromEntries(await Promise.all(sizes)) }
  await writeFile(join(dir, manifestName), JSON.stringify(manifest), { flush: true })
}

/**
 * Looks whether the files of an entry are there and have their sizes. What is in them is not read, as gigabytes would
 * hold up every start. An entry without a manifest counts as whole: earlier versions wrote none.
 */
export async function inspectEntry(dir: string): Promise<EntryState> {
  if (!(await sizeOf(dir)).exists) return { state: 'absent' }
  let text: string
  try {
    text = await readFile(join(dir, manifestName), 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENOENT'
      ? { state: 'whole' }
      : { state: 'damaged', damage: `${manifestName} cannot be read (${code})` }
  }
  const manifest = manifestSchema.safeParse(parseJson(text))
  if (!manifest.success) return { state: 'damaged', damage: `${manifestName} is broken` }
  for (const [name, bytes] of Object.entries(manifest.data.files)) {
    const found = await sizeOf(join(dir, name))
    if (!found.exists) return { state: 'damaged', damage: `${name} is missing` }
    if (found.bytes !== bytes)
      return { state: 'damaged', damage: `${name} has ${found.bytes} bytes instead of ${bytes}` }
  }
  return { state: 'whole' }
}

async function sizeOf(path: string): Promise<{ exists: true; bytes: number } | { exists: false }> {
  return stat(path).then(
    ({ size }) => ({ exists: true, bytes: size }),
    () => ({ exists: false }),
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
