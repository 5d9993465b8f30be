import { createHash, randomUUID } from 'node:crypto'
import { readFile, readlink } from 'node:fs/promises'
import { hostname } from 'node:os'

/** After so long without a sign of life a holder is given up of which nothing else can be seen. */
const silentTooLongMs = 60_000

/**
 * A new name for what this process holds: `pid start place id`. The place is where the pid means something: containers
 * that share a cache see other processes.
 */
export async function newHolderName(): Promise<string> {
  return `${process.pid} ${await startTime(process.pid)} ${await place()} ${randomUUID()}`
}

/** The same as part of a file's name. */
export const asFileName = (holder: string): string => holder.replaceAll(' ', '-')

/** `silentMs`: how long ago it last showed that it lives. `holder` may also be what earlier versions wrote, `pid start`. */
export async function isDead(holder: string, silentMs: number): Promise<boolean> {
  const [pid, start, where] = holder.split(/[ -]/)
  if (start === undefined) return true
  const isElsewhere = where?.length === placeLength && where !== (await place())
  if (isElsewhere || start === '') return silentMs >= silentTooLongMs
  return (await startTime(Number(pid))) !== start
}

const placeLength = 16

async function place(): Promise<string> {
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '')
  return createHash('sha256').update(`${hostname()}\n${namespace}`).digest('hex').slice(0, placeLength)
}

/** Start time of a process in clock ticks since boot, so that a reused pid is not taken for the holder; '' if dead. */
async function startTime(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}
