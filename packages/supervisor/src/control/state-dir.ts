import { lstatSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** The kernel's limit for the path of a Unix socket, less the final zero. */
const longestSocketPath = 107

/** `$XDG_RUNTIME_DIR/asr-cluster`, else a folder in /tmp that nobody else can enter. */
export function stateDir(env: NodeJS.ProcessEnv = process.env): string {
  const runtimeDir = env['XDG_RUNTIME_DIR']
  return runtimeDir ? join(runtimeDir, 'asr-cluster') : `/tmp/asr-cluster-${process.getuid?.() ?? 0}`
}

/** Creates the folder; throws if another user could have put it there. */
export function ensureStateDir(dir: string): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const info = lstatSync(dir)
  if (!info.isDirectory() || info.uid !== process.getuid?.() || (info.mode & 0o077) !== 0) {
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
