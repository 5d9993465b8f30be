import { mkdirSync, statSync } from 'node:fs'
import { readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AnswerShelf } from './answer-shelf.js'
import { decodeAnswer, encodeAnswer, formatVersion } from './answer-format.js'

const ending = `.answer${formatVersion}`
/** While it is written, with the id of the process that does it. */
const unfinishedName = /\.answer\d+\.(\d+)-\d+$/
/** Nothing is written for so long: that process is another one now, which has the same id. */
const longestWriteMs = 3_600_000
/** The folder is listed again after so much of its limit was written. */
const listedShare = 1 / 8

/**
 * Answers as files of a folder that only this user can read, up to `maxBytes` together; what was not used for the longest
 * time goes first, also after a restart. Processes that share a folder go over the limit by little and for a while only.
 * Throws what `mkdir` does, and if others could put answers there.
 */
export function diskAnswers(dir: string, maxBytes: number): AnswerShelf {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  requireOwn(dir)
  /** Bytes by file name, in the order of use, the latest last. */
  const files = new Map<string, number>()
  let total = 0
  let writes = 0
  let unlistedBytes = 0
  let listing: Promise<void> | undefined
  /** What is noted while the folder is listed, which may miss it. */
  let meanwhile: Map<string, number> | undefined
  const forget = (name: string): void => {
    total -= files.get(name) ?? 0
    files.delete(name)
  }
  const note = (name: string, bytes: number): void => {
    forget(name)
    files.set(name, bytes)
    total += bytes
    meanwhile?.set(name, bytes)
  }

  async function listOnce(): Promise<void> {
    unlistedBytes = 0
    meanwhile = new Map()
    const found = await foundIn(dir)
    const sizes = new Map(found.map(({ name, size }) => [name, size]))
    // The times of files are too coarse for the order of what this process used.
    const known = [...files].filter(([name]) => sizes.has(name))
    const all = [...new Map([...known, ...sizes]), ...meanwhile]
    meanwhile = undefined
    files.clear()
    total = 0
    for (const [name, bytes] of all) note(name, bytes)
  }

  function list(): Promise<void> {
    listing ??= listOnce()
      .catch(() => undefined)
      .finally(() => {
        meanwhile = undefined
        listing = undefined
      })
    return listing
  }

  async function makeRoom(): Promise<void> {
    for (const name of files.keys()) {
      if (total <= maxBytes) return
      forget(name)
      await rm(join(dir, name), { force: true })
    }
  }

  void list()
  return {
    async get(key) {
      const name = nameOf(key)
      try {
        const bytes = await readFile(join(dir, name))
        note(name, bytes.length)
        const now = new Date()
        await utimes(join(dir, name), now, now)
        return decodeAnswer(bytes)
      } catch {
        forget(name)
        return undefined
      }
    },
    async set(key, answer) {
      const name = nameOf(key)
      const bytes = encodeAnswer(answer)
      if (bytes.length > maxBytes) return
      // Renamed when it is whole, so that nobody reads half of it.
      const unfinished = join(dir, `${name}.${process.pid}-${writes++}`)
      try {
        await writeFile(unfinished, bytes, { mode: 0o600 })
        await rename(unfinished, join(dir, name))
        note(name, bytes.length)
        unlistedBytes += bytes.length
        // Another process may write here too, such as one that takes over.
        if (unlistedBytes >= maxBytes * listedShare) void list()
        if (listing) await listing
        await makeRoom()
      } catch {
        await rm(unfinished, { force: true }).catch(() => undefined)
      }
    },
    close() {},
  }
}

/**
 * What is found there is given to clients, so the folder must be ours, or root's, and nobody else's to write. Our group may:
 * the root of a Kubernetes volume belongs to it (`fsGroup`).
 */
function requireOwn(dir: string): void {
  const { uid, mode } = statSync(dir)
  const isOurs = process.getuid === undefined || [0, process.getuid()].includes(uid)
  if (!isOurs || (mode & 0o002) !== 0)
    throw new Error(`${dir} must be a folder of ours that others cannot write to`)
}

/** The answers there, the one used longest ago first. Removes what a process began to write that is gone. */
async function foundIn(dir: string): Promise<{ name: string; size: number }[]> {
  const found: { name: string; size: number; usedAt: number }[] = []
  for (const name of await readdir(dir)) {
    const writer = unfinishedName.exec(name)?.[1]
    if (writer === undefined && !name.endsWith(ending)) continue
    const stats = await stat(join(dir, name)).catch(() => undefined)
    if (!stats) continue
    if (writer === undefined) found.push({ name, size: stats.size, usedAt: stats.mtimeMs })
    else if (Date.now() - stats.mtimeMs > longestWriteMs || !isAlive(Number(writer)))
      await rm(join(dir, name), { force: true }).catch(() => undefined)
  }
  return found.sort((a, b) => a.usedAt - b.usedAt)
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Keys are base64, which has a slash. */
function nameOf(key: string): string {
  return Buffer.from(key, 'base64').toString('hex') + ending
}
