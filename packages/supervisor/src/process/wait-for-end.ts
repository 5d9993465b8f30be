import { setTimeout as sleep } from 'node:timers/promises'
import { readProcess } from './process-table.js'

/** Waits until the process is gone; whether it is. A zombie is gone: it holds nothing any more. */
export async function waitForEnd(pid: number, deadlineMs: number): Promise<boolean> {
  const until = performance.now() + deadlineMs
  const isAlive = (): boolean => {
    const info = readProcess(pid)
    return info !== null && info.state !== 'Z'
  }
  while (isAlive()) {
    if (performance.now() > until) return false
    await sleep(10)
  }
  return true
}
