import { randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const pollMs = 100

/** Runs `work` while no other process of this machine holds the lock; a lock whose holder is dead is taken over. */
export async function withFileLock(path: string, work: () => Promise<void>): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  while (!(await acquire(path))) {
    if (await holderIsDead(path)) await rm(path, { force: true })
    else await delay(pollMs)
  }
  try {
    await work()
  } finally {
    await rm(path, { force: true })
  }
}

async function acquire(path: string): Promise<boolean> {
  // Written apart and linked into place, so that nobody ever sees a lock without its holder's name.
  const own = `${path}.${randomUUID()}`
  await writeFile(own, `${process.pid} ${await startTime(process.pid)}`)
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

async function holderIsDead(path: string): Promise<boolean> {
  const content = await readFile(path, 'utf8').catch(() => '')
  const [pid, start] = content.split(' ')
  if (!pid || start === undefined) return false // released in this instant
  return (await startTime(Number(pid))) !== start
}

/** Start time of a process in clock ticks since boot, so that a reused pid is not taken for the holder; '' if dead. */
async function startTime(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}
