import { readdirSync, readFileSync } from 'node:fs'
import { waitFor } from './wait-for.js'

/** Set in the environment of everything that a test starts, so that all that comes of it can be found. */
export const testMark = 'ASR_TEST_MARK'

export interface LivingProcess {
  pid: number
  command: string
}

/** True for a process that runs, not for one that is dead and waits to be reaped. */
export function isAlive(pid: number): boolean {
  const state = read(`/proc/${pid}/stat`)?.split(') ').at(-1)?.[0]
  return state !== undefined && state !== 'Z' && state !== 'X'
}

/** Every living process that was started with this mark, or by one that was. */
export function findMarked(mark: string): LivingProcess[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name)
    if (!Number.isInteger(pid) || !isAlive(pid)) return []
    if (!read(`/proc/${pid}/environ`)?.split('\0').includes(`${testMark}=${mark}`)) return []
    return [{ pid, command: (read(`/proc/${pid}/cmdline`) ?? '').replaceAll('\0', ' ').trim() }]
  })
}

/** Waits until nothing with this mark lives; after the deadline kills what is left and throws, naming it. */
export async function expectNoneLeft(mark: string, deadlineMs = 5_000): Promise<void> {
  try {
    await waitFor(() => findMarked(mark).length === 0, { what: 'every process to be gone', deadlineMs })
  } catch {
    const rest = findMarked(mark)
    for (const { pid } of rest) kill(pid, 'SIGKILL')
    if (rest.length > 0) {
      throw new Error(`left behind:\n${rest.map(({ pid, command }) => `  ${pid} ${command}`).join('\n')}`)
    }
  }
}

/** Sends a signal; a process (or, with a negative pid, a group) that is gone is no error. */
export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
