import { execFileSync } from 'node:child_process'

export interface ParentDeath {
  /** Flags for setpriv; empty where the kernel's parent-death signal cannot be had. */
  flags: readonly string[]
}

let detected: ParentDeath | undefined

/**
 * How to make the kernel kill a child when this process dies, even one whose event loop is blocked.
 * `setpriv` of util-linux can; the one of BusyBox cannot. It replaces itself, so the pid stays the same.
 *
 * The kernel takes the death of the *thread* that spawned for the parent's, so spawn from the main thread only.
 */
export function detectParentDeath(): ParentDeath {
  detected ??= { flags: probeSetpriv() ? ['--pdeathsig', 'KILL'] : [] }
  return detected
}

function probeSetpriv(): boolean {
  if (process.platform !== 'linux') return false
  try {
    execFileSync('setpriv', ['--pdeathsig', 'KILL', '--', 'true'], { stdio: 'ignore', timeout: 5_000 })
    return true
  } catch {
    return false
  }
}
