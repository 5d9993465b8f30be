import { execFile } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { dirname } from 'node:path'
import { bareRootScript } from './bare-root.js'
import { findExecutable } from './find-executable.js'

/** What the program to be run cannot reach. */
export type Wall = 'files' | 'network'

export interface Sandbox {
  /** Program and arguments to put before a command. */
  prefix: readonly string[]
  walls: readonly Wall[]
}

const none: Sandbox = { prefix: [], walls: [] }
/** A try can fail because the machine is busy; each takes a few processes. */
const retryAfterMs = 60_000

interface Trial {
  sandbox: Promise<Sandbox>
  begunAtMs: number
  isBest: boolean
}

const known = new Map<string, Trial>()

/**
 * What to put before a command that reads untrusted files; nothing where the kernel or the container allows no namespaces.
 * It is tried out with `program`, the absolute path of what will be run: once, or until all walls are there, again
 * a minute later. Rejects if the program is not there.
 */
export function sandboxFor(
  program: string,
  path: string | undefined,
  nowMs: () => number = () => performance.now(),
): Promise<Sandbox> {
  const key = `${program}\n${path ?? ''}`
  const last = known.get(key)
  if (last && (last.isBest || nowMs() - last.begunAtMs < retryAfterMs)) return last.sandbox
  const trial: Trial = { sandbox: tryAgain(program, path, last), begunAtMs: nowMs(), isBest: false }
  known.set(key, trial)
  trial.sandbox.then(
    ({ walls }) => (trial.isBest = walls.includes('files')),
    () => known.delete(key),
  )
  return trial.sandbox
}

/** What worked once is not given up for less. */
async function tryAgain(
  program: string,
  path: string | undefined,
  last: Trial | undefined,
): Promise<Sandbox> {
  const [before, found] = await Promise.all([last?.sandbox ?? none, tryOut(program, path)])
  return found.walls.length < before.walls.length ? before : found
}

async function tryOut(program: string, path: string | undefined): Promise<Sandbox> {
  const unshare = findExecutable('unshare', path)
  if (unshare === null) return none
  for (const sandbox of candidates(unshare, program, path)) {
    const args = [...sandbox.prefix.slice(1), program, '-version']
    const works = await new Promise<boolean>((resolve) => {
      execFile(unshare, args, { timeout: 5_000, env: { PATH: path } }, (error) => resolve(error === null))
    })
    if (works) return sandbox
  }
  return none
}

/**
 * The stricter first. With a process namespace it sees and signals no process of ours, with a network namespace it has no
 * network but a loopback that is down, and with a user namespace no capability outside of it even for root.
 */
function candidates(unshare: string, program: string, path: string | undefined): Sandbox[] {
  const shell = findExecutable('sh', path)
  const namespaces = ['--user', '--map-root-user', '--net', '--ipc', '--uts', '--mount', '--pid']
  const inBareRoot = (sh: string): string[] => {
    const script = [sh, '-c', bareRootScript, 'sh', folderOf(program)]
    return [unshare, ...namespaces, '--fork', '--kill-child', '--', ...script]
  }
  return [
    ...(shell === null ? [] : [{ prefix: inBareRoot(shell), walls: ['files', 'network'] } satisfies Sandbox]),
    { prefix: [unshare, '--user', '--net', '--ipc', '--'], walls: ['network'] },
    { prefix: [unshare, '--net', '--ipc', '--'], walls: ['network'] },
  ]
}

/** One that the script does not show anyway; a link leads to the folder of the program itself. */
function folderOf(program: string): string {
  const folder = dirname(realpathSync(program))
  return /^\/(usr|bin|sbin|lib\w*)(\/|$)/.test(folder) ? '' : folder
}
