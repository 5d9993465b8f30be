import { readFileSync } from 'node:fs'

/** Soft limit of open files of this process, as `/proc/self/limits` has it; null where there is none or it is unknown. */
export function openFileLimit(limits: string = readLimits()): number | null {
  const match = /^Max open files\s+(\d+)/m.exec(limits)
  return match ? Number(match[1]) : null
}

/**
 * Open files that the balancer may need at its busiest: a client, an instance and a spooled body per request, and some
 * hundred for everything else.
 */
export function openFilesNeeded(requests: number): number {
  return 3 * requests + 512
}

function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8')
  } catch {
    return ''
  }
}
