import { setTimeout as sleep } from 'node:timers/promises'

export interface WaitOptions {
  /** Completes the sentence "gave up waiting for …". */
  what: string
  deadlineMs?: number
  /** Added to the error, for example what a program printed. */
  context?: () => string
}

const shortestIntervalMs = 20
const longestIntervalMs = 200

/**
 * Looks again after a twentieth of what it has waited: hardly later than at once, without a core for looking.
 * A small machine runs the programs under test on the same two.
 */
function intervalMs(waitedMs: number): number {
  return Math.min(Math.max(shortestIntervalMs, waitedMs / 20), longestIntervalMs)
}

/**
 * Polls until `probe` returns something truthy, and returns that. The deadline is for a test that hangs: it is generous,
 * because how long a thing takes is never what a test asserts. An error of `probe` counts as "not yet".
 */
export async function waitFor<T>(
  probe: () => T | Promise<T>,
  { what, deadlineMs = 30_000, context }: WaitOptions,
): Promise<Exclude<Awaited<T>, false | null | undefined | 0 | ''>> {
  const begun = performance.now()
  let lastError: unknown
  for (;;) {
    try {
      const value = await probe()
      if (value) return value as Exclude<Awaited<T>, false | null | undefined | 0 | ''>
      lastError = undefined
    } catch (error) {
      lastError = error
    }
    const waitedMs = performance.now() - begun
    if (waitedMs > deadlineMs) {
      const detail = context ? `\n${context()}` : ''
      throw new Error(`gave up waiting for ${what}${detail}`, { cause: lastError })
    }
    await sleep(intervalMs(waitedMs))
  }
}
