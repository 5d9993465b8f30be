import { randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isDead, newHolderName } from './lock-holder.js'

const pollMs = 100
/** How often a holder shows that it lives, to those who cannot see its process. */
const renewIntervalMs = 5_000

export interface LockWorld {
  /** Milliseconds, by the clock of files' times. */
  now(): number
  sleep(delayMs: number): Promise<unknown>
  /** Returns the function that ends it. */
  every(intervalMs: number, callback: () => void): () => void
}

const realWorld: LockWorld = {
  now: () => Date.now(),
  sleep: (delayMs) => delay(delayMs),
  every(intervalMs, callback) {
    const timer = setInterval(callback, intervalMs).unref()
    return () => clearInterval(timer)
  },
}

/** A lock as it was seen. */
export interface SeenLock {
  holder: string
  renewedAt: number
}

/**
 * Runs `work` while no other process holds the lock, of this machine or of another that shares the folder; a lock whose
 * holder is dead is taken over.
 */
export async function withFileLock(
  path: string,
  work: () => Promise<void>,
  world: LockWorld = realWorld,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const holder = await newHolderName()
  while (!(await acquire(path, holder))) {
    const seen = await look(path)
    // Nothing is seen if it was released in this instant.
    if (seen && (await isDead(seen.holder, world.now() - seen.renewedAt))) await removeLock(path, seen)
    else await world.sleep(pollMs)
  }
  const stopRenewing = world.every(renewIntervalMs, () => {
    const now = new Date(world.now())
    utimes(path, now, now).catch(() => {})
  })
  try {
    await work()
  } finally {
    stopRenewing()
    const seen = await look(path)
    // Another's if this process was thought dead.
    if (seen?.holder === holder) await removeLock(path, { holder })
  }
}

/**
 * Removes a lock if it is the one that was seen. As another may have been put in its place meanwhile, it is first moved
 * to where nobody else takes it, then looked at, and put back if it is not the one that is meant.
 */
export async function removeLock(path: string, meant: Partial<SeenLock>): Promise<void> {
  const grave = `${path}.${randomUUID()}`
  try {
    await rename(path, grave)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  const { holder, renewedAt } = (await look(grave)) ?? {}
  const isMeant = holder === meant.holder && (meant.renewedAt === undefined || renewedAt === meant.renewedAt)
  // Linked, so that a third one's lock is not overwritten.
  if (!isMeant) await link(grave, path).catch(() => {})
  await rm(grave, { force: true })
}

async function acquire(path: string, holder: string): Promise<boolean> {
  // Written apart and linked into place, so that nobody ever sees a lock without its holder's name.
  const own = `${path}.${randomUUID()}`
  await writeFile(own, holder)
  try {
    await link(own, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await rm(own, { force: true })
  }
}

async function look(path: string): Promise<SeenLock | undefined> {
  try {
    return { holder: await readFile(path, 'utf8'), renewedAt: (await stat(path)).mtimeMs }
  } catch {
    return undefined
  }
}
