import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { weightFiles } from '../checkpoint/checkpoint.js'
import { fileSha256 } from './file-sha256.js'

/**
 * SHA-256 over the configuration and the weights of a model folder. Hashing gigabytes at each start would take
 * seconds, so a file's hash is remembered by device, inode, size and modification time.
 */
export async function contentHash(modelDir: string, cacheDir: string): Promise<string> {
  const total = createHash('sha256')
  total.update(await readFile(join(modelDir, 'config.json')))
  for (const name of await weightFiles(modelDir)) total.update(await fileHash(join(modelDir, name), cacheDir))
  return total.digest('hex')
}

async function fileHash(path: string, cacheDir: string): Promise<string> {
  const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true })
  const memoPath = join(cacheDir, 'hashes', `${dev}-${ino}-${size}-${mtimeNs}`)
  const memo = await readFile(memoPath, 'utf8').catch(() => '')
  // A machine that lost its power may have left anything in it.
  if (/^[0-9a-f]{64}$/.test(memo)) return memo
  const digest = await fileSha256(path)
  // It only saves time, and a cache that is part of an image may be read-only.
  await remember(memoPath, digest).catch(() => {})
  return digest
}

async function remember(memoPath: string, digest: string): Promise<void> {
  await mkdir(dirname(memoPath), { recursive: true })
  const scratch = `${memoPath}.${randomUUID()}`
  try {
    await writeFile(scratch, digest, { flush: true })
    await rename(scratch, memoPath)
  } catch (error) {
    await rm(scratch, { force: true })
    throw error
  }
}
