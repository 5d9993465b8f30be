import { createHash } from 'node:crypto'
import { open, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { z } from 'zod'
import { fileSha256 } from './file-sha256.js'

const manifestName = 'manifest.json'
/** Each start reads so many blocks of each file: some milliseconds, where all of it would take seconds. */
const sampledBlocks = 64
const blockBytes = 4096

/** SHA-256 of all of a file, and of its sampled blocks. */
const sumsSchema = z.object({ all: z.string(), samples: z.string() })
type Sums = z.infer<typeof sumsSchema>

const manifestSchema = z.object({
  /** Bytes of each file, by its path within the entry, with slashes. */
  files: z.record(z.string(), z.int().min(0)),
  /** By the same path; earlier versions wrote none. */
  sums: z.record(z.string(), sumsSchema).default({}),
})

export type EntryState =
  | { state: 'absent' | 'whole' }
  /** `damage`: what is wrong, as the rest of a sentence about the entry. */
  | { state: 'damaged'; damage: string }

/** Writes down what the entry consists of; to be called when all else is written. */
export async function writeManifest(dir: string): Promise<void> {
  const manifest: z.output<typeof manifestSchema> = { files: {}, sums: {} }
  for (const file of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue
    const path = join(file.parentPath, file.name)
    const name = relative(dir, path).replaceAll(sep, '/')
    manifest.files[name] = (await stat(path)).size
    manifest.sums[name] = { all: await fileSha256(path), samples: await sumOfSamples(path) }
  }
  await writeFile(join(dir, manifestName), JSON.stringify(manifest), { flush: true })
}

/**
 * Looks whether the files of an entry are there, have their sizes, and hold what was written, by samples all over them:
 * what a loss of power or a bad disk leaves is mostly long stretches of zeros. To read gigabytes would hold up every
 * start; `thorough` does. An entry without a manifest counts as whole: earlier versions wrote none.
 */
export async function inspectEntry(
  dir: string,
  { thorough = false }: { thorough?: boolean } = {},
): Promise<EntryState> {
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
  const { files, sums } = manifest.data
  for (const [name, bytes] of Object.entries(files)) {
    const damage = await damageOf(join(dir, name), bytes, sums[name], thorough)
    if (damage !== undefined) return { state: 'damaged', damage: `${name} ${damage}` }
  }
  return { state: 'whole' }
}

async function damageOf(
  path: string,
  bytes: number,
  sums: Sums | undefined,
  thorough: boolean,
): Promise<string | undefined> {
  const found = await sizeOf(path)
  if (!found.exists) return 'is missing'
  if (found.bytes !== bytes) return `has ${found.bytes} bytes instead of ${bytes}`
  if (!sums) return undefined
  try {
    const isSame = thorough
      ? (await fileSha256(path)) === sums.all
      : (await sumOfSamples(path)) === sums.samples
    return isSame ? undefined : 'does not hold what was written'
  } catch (error) {
    return `cannot be read (${(error as NodeJS.ErrnoException).code})`
  }
}

/** Of blocks at equal distances, the first and the last among them; of a short file all of it. */
async function sumOfSamples(path: string): Promise<string> {
  const hash = createHash('sha256')
  const file = await open(path)
  try {
    const { size } = await file.stat()
    const last = Math.max(0, Math.ceil(size / blockBytes) - 1)
    const count = Math.min(last + 1, sampledBlocks)
    const block = Buffer.alloc(blockBytes)
    for (let index = 0; index < count; index += 1) {
      const at = Math.round((last * index) / Math.max(1, count - 1)) * blockBytes
      const { bytesRead } = await file.read(block, 0, blockBytes, at)
      hash.update(block.subarray(0, bytesRead))
    }
  } finally {
    await file.close()
  }
  return hash.digest('hex')
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
