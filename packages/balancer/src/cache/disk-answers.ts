import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { readFile, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AnswerShelf } from './answer-shelf.js'
import { decodeAnswer, encodeAnswer, formatVersion } from './answer-format.js'

const ending = `.answer${formatVersion}`

/**
 * Answers as files of a folder that only this user can read, up to `maxBytes` together; what was not used for the longest
 * time goes first, also after a restart. Throws what `mkdir` does, and if others could put answers there.
 */
export function diskAnswers(dir: string, maxBytes: number): AnswerShelf {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  requireOwn(dir)
  /** Bytes by file name, in the order of use, the latest last. */
  const files = new Map<string, number>()
  let total = 0
  let writes = 0
  const forget = (name: string): void => {
    total -= files.get(name) ?? 0
    files.delete(name)
  }
  const note = (name: string, bytes: number): void => {
    forget(name)
    files.set(name, bytes)
    total += bytes
  }
  for (const { name, size } of foundIn(dir)) note(name, size)

  async function makeRoom(): Promise<void> {
    for (const name of files.keys()) {
      if (total <= maxBytes) return
      forget(name)
      await rm(join(dir, name), { force: true })
    }
  }

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
        await makeRoom()
      } catch {
        await rm(unfinished, { force: true }).catch(() => undefined)
      }
    },
    close() {},
  }
}

/** What is found there is given to clients, so the folder must be ours, or root's, and not be everybody's to write. */
function requireOwn(dir: string): void {
  const { uid, mode } = statSync(dir)
  const isOurs = process.getuid === undefined || [0, process.getuid()].includes(uid)
  if (!isOurs || (mode & 0o002) !== 0)
    throw new Error(`${dir} must be a folder of ours that others cannot write to`)
}

/** Answers of an earlier process, the one used longest ago first. */
function foundIn(dir: string): { name: string; size: number }[] {
  return readdirSync(dir)
    .filter((name) => name.endsWith(ending))
    .flatMap((name) => {
      const stats = statSync(join(dir, name), { throwIfNoEntry: false })
      return stats ? [{ name, size: stats.size, usedAt: stats.mtimeMs }] : []
    })
    .sort((a, b) => a.usedAt - b.usedAt)
}

/** Keys are base64, which has a slash. */
function nameOf(key: string): string {
  return Buffer.from(key, 'base64').toString('hex') + ending
}
