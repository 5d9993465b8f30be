import { lstatSync, readdirSync, statSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { dirname, join } from 'node:path'
import { makeFolder } from '../world/make-folder.js'

/** The kernel's limit for the path of a Unix socket, less the final zero. */
const longestSocketPath = 107

/** `$XDG_RUNTIME_DIR/asr-cluster`, else a folder in /tmp that nobody else can enter. */
export function stateDir(env: NodeJS.ProcessEnv = process.env): string {
  const runtimeDir = env['XDG_RUNTIME_DIR']
  return runtimeDir ? join(runtimeDir, 'asr-cluster') : `/tmp/asr-cluster-${process.getuid?.() ?? 0}`
}

/** Creates the folder; throws if that is not possible, or another user could have put it there. */
export function ensureStateDir(dir: string): void {
  try {
    makeFolder(dir, 0o700)
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? (error as Error).message
    throw new Error(
      `${dir}, for the control socket, cannot be made (${reason}): set XDG_RUNTIME_DIR to a folder of yours`,
      { cause: error },
    )
  }
  checkFolder(dir, lstatSync(dir), process.getuid?.())
}

/**
 * `stateDir` for a client: whoever listens in it is told keys and shown recordings. Throws if another user could have
 * put it there; one that does not exist is right. Root may name the folder of another user's cluster, by that user's
 * XDG_RUNTIME_DIR.
 */
export function trustedStateDir(env: NodeJS.ProcessEnv): string {
  const dir = stateDir(env)
  const info = lstatSync(dir, { throwIfNoEntry: false })
  if (!info) return dir
  const own = process.getuid?.()
  // The owner of what root has named, so that in a folder of everybody's, such as /tmp, only root's own counts.
  const isNamedByRoot = own === 0 && info.uid !== 0 && Boolean(env['XDG_RUNTIME_DIR'])
  checkFolder(dir, info, isNamedByRoot ? statSync(dirname(dir)).uid : own)
  return dir
}

function checkFolder(dir: string, info: Stats, owner: number | undefined): void {
  if (!info.isDirectory() || info.uid !== owner || (info.mode & 0o077) !== 0) {
    throw new Error(`${dir} must be a folder of yours that nobody else can enter (mode 0700)`)
  }
}

/** Control socket of the cluster whose balancer has this port. */
export function controlSocketPath(dir: string, port: number): string {
  const path = join(dir, `${port}.sock`)
  if (Buffer.byteLength(path) > longestSocketPath) {
    throw new Error(`${path} is too long for a socket; set XDG_RUNTIME_DIR to a shorter path`)
  }
  return path
}

/** Ports of the control sockets in the folder, of living clusters and of dead ones. */
export function listControlPorts(dir: string): number[] {
  try {
    return readdirSync(dir).flatMap((name) => {
      const match = /^(\d+)\.sock$/.exec(name)
      return match ? [Number(match[1])] : []
    })
  } catch {
    return []
  }
}
