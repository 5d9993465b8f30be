import { readFileSync } from 'node:fs'

/**
 * Memory of a process that nobody else has, in bytes: what it allocated, without the pages of mapped files. Those of a
 * model's weights belong to all instances of the machine together, and are counted once for every thread that maps them.
 * Undefined where /proc does not tell (the process is gone, or the system is not Linux).
 */
export function ownMemoryBytes(pid: number | 'self', read = readStatus): number | undefined {
  const status = read(pid)
  const kilobytes = ['RssAnon', 'RssShmem'].map((name) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status ?? '')?.[1]),
  )
  const sum = kilobytes.reduce((total, value) => total + value, 0)
  return Number.isNaN(sum) ? undefined : sum * 1024
}

function readStatus(pid: number | 'self'): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return undefined
  }
}
