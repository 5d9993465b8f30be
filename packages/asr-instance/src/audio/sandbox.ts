import { execFile } from 'node:child_process'
import { findExecutable } from './find-executable.js'

/**
 * What to put before a command that reads untrusted files, the stricter first: namespaces of its own, so that there is no
 * network but a loopback that is down, and, with a user namespace, no capability outside of it even for root.
 */
const candidates = [
  ['--user', '--net', '--ipc'],
  ['--net', '--ipc'],
] as const

const known = new Map<string, Promise<readonly string[]>>()

/** Program and arguments to put before a command; empty where the kernel or the container allows no namespaces. */
export function sandboxPrefix(path: string | undefined): Promise<readonly string[]> {
  const key = path ?? ''
  const found = known.get(key) ?? tryOut(path)
  known.set(key, found)
  return found
}

async function tryOut(path: string | undefined): Promise<readonly string[]> {
  const unshare = findExecutable('unshare', path)
  const nothing = findExecutable('true', path)
  if (unshare === null || nothing === null) return []
  for (const flags of candidates) {
    const works = await new Promise<boolean>((resolve) => {
      execFile(unshare, [...flags, nothing], { timeout: 5_000, env: { PATH: path } }, (error) =>
        resolve(error === null),
      )
    })
    if (works) return [unshare, ...flags, '--']
  }
  return []
}
