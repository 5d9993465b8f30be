import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { environment } from '@asr-cluster/protocol'
import { execa } from 'execa'
import { detectParentDeath } from './parent-death.js'
import { listPids, livingGroupMembers, readEnvironment } from './process-table.js'

export interface SpawnRequest {
  file: string
  args: readonly string[]
  /** Added to our own environment. */
  env: Readonly<Record<string, string>>
  /** Open a message channel; the program must be one of ours. */
  ipc: boolean
  /** Cores to run on; all without. */
  cpuSet?: readonly number[] | null
  /** As root: who it runs as. */
  user?: RunAs | null
  /** File descriptors that the child gets as 3, 4, … */
  inheritFds?: readonly number[]
}

export interface RunAs {
  name: string
  uid: number
  gid: number
  home: string
}

export interface ExitInfo {
  code: number | null
  signal: string | null
}

/** A running child, leader of its own process group. */
export interface ChildHandle {
  readonly pid: number
  readonly stdout: Readable
  readonly stderr: Readable
  /** Settles once the process, and with it every process of its group, is gone and its output was read. */
  readonly exited: Promise<ExitInfo>
  onMessage(listener: (message: unknown) => void): void
  /** Best effort: a child that is gone or going gets nothing. */
  send(message: object): void
  /**
   * To the whole group; a group that is gone already is no error. False if we may not signal it: what changed its user,
   * as with sudo, is not ours any more. Never throws.
   */
  signal(signal: NodeJS.Signals): boolean
}

export class SpawnError extends Error {
  override name = 'SpawnError'
  /** No such program, or not allowed to run it: trying again will not help. */
  readonly permanent: boolean

  constructor(message: string, permanent: boolean, cause?: unknown) {
    super(message, { cause })
    this.permanent = permanent
  }
}

export interface Spawner {
  /** Throws SpawnError. */
  spawn(request: SpawnRequest): Promise<ChildHandle>
}

/** How long the group of an exited process may take to vanish after SIGKILL before we go on without it. */
const sweepTimeoutMs = 2_000
/** How long the pipes of an exited process are read on; a process outside the group may hold them for ever. */
const outputGraceMs = 300

export const systemSpawner: Spawner = {
  async spawn(request) {
    // With a wrapper in front a missing program would show only as exit code 127.
    findExecutable(request.file, request.env['PATH'] ?? process.env['PATH'] ?? '')
    const [file, ...args] = commandLine(request)
    const child = execa(file, args, {
      env: { ...request.env, ...userEnv(request.user) },
      // Own group: a Ctrl-C at the terminal must reach the supervisor alone, and a stop must reach grandchildren.
      detached: true,
      cleanup: false,
      buffer: false,
      reject: false,
      ipc: request.ipc,
      // execa's types know plain descriptors only as the first three; it passes further ones on all the same.
      stdio: ['ignore', 'pipe', 'pipe', ...((request.inheritFds ?? []) as unknown as 'inherit'[])],
    })
    const { pid, stdout, stderr } = child
    if (pid === undefined || !stdout || !stderr) throw toSpawnError(await child)
    const exit = new Promise<ExitInfo>((resolve) => {
      child.once('exit', (code: number | null, signal: string | null) => resolve({ code, signal }))
    })
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
    const exited = exit.then(async (info) => {
      await finish(pid, request.env[environment.identity] ?? null, closed, [stdout, stderr])
      return info
    })
    return {
      pid,
      stdout,
      stderr,
      exited,
      onMessage: (listener) => void child.on('message', listener),
      send(message) {
        if (child.connected) child.send(message, () => {})
      },
      signal: (signal) => signalGroup(pid, signal) !== 'denied',
    }
  },
}

/** The command behind wrappers that replace themselves: the pid stays, and no shell is involved. */
export function commandLine(
  { file, args, cpuSet, user }: SpawnRequest,
  parentDeath = detectParentDeath(),
): [string, ...string[]] {
  const privileges = user ? ['--reuid', String(user.uid), '--regid', String(user.gid), '--init-groups'] : []
  const setpriv = [...parentDeath.flags, ...privileges]
  return [
    ...(setpriv.length > 0 ? ['setpriv', ...setpriv, '--'] : []),
    ...(cpuSet ? ['taskset', '-c', cpuSet.join(',')] : []),
    file,
    ...args,
  ] as [string, ...string[]]
}

function userEnv(user: RunAs | null | undefined): Record<string, string> {
  return user ? { HOME: user.home, USER: user.name, LOGNAME: user.name } : {}
}

/** Sends a signal to a process group: `gone` if none is left, `denied` if all in it belongs to somebody else. */
function signalGroup(groupId: number, signal: NodeJS.Signals): 'sent' | 'gone' | 'denied' {
  try {
    process.kill(-groupId, signal)
    return 'sent'
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ESRCH') return 'gone'
    if (code === 'EPERM') return 'denied'
    throw error
  }
}

/** After the end of the leader: all that came of it goes too, and what it wrote is read. */
async function finish(
  pid: number,
  identity: string | null,
  closed: Promise<void>,
  streams: readonly Readable[],
): Promise<void> {
  await sweepGroup(pid)
  if (identity !== null) sweepMarked(identity)
  const grace = new AbortController()
  await Promise.race([closed, sleep(outputGraceMs, undefined, { signal: grace.signal }).catch(() => {})])
  grace.abort()
  for (const stream of streams) stream.destroy()
}

/** Kills what is left of a group whose leader is gone: a grandchild would hold the port of the next life. */
async function sweepGroup(groupId: number): Promise<void> {
  const deadline = performance.now() + sweepTimeoutMs
  // What we may not kill we do not wait for either.
  while (signalGroup(groupId, 'SIGKILL') === 'sent') {
    // A zombie that nobody reaps counts as gone, though the kernel still finds its group.
    if (livingGroupMembers(groupId).length === 0 || performance.now() > deadline) return
    await sleep(5)
  }
}

/** Kills what has left the group but still carries the mark of this life. */
function sweepMarked(identity: string): void {
  for (const pid of listPids()) {
    if (pid === process.pid || readEnvironment(pid, environment.identity) !== identity) continue
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // Gone by itself.
    }
  }
}

/** Throws SpawnError if `file` cannot be run. */
function findExecutable(file: string, path: string): void {
  const candidates = file.includes('/')
    ? [resolve(file)]
    : path.split(delimiter).map((dir) => resolve(dir, file))
  const found = candidates.some((candidate) => {
    try {
      accessSync(candidate, constants.X_OK)
      return statSync(candidate).isFile()
    } catch {
      return false
    }
  })
  if (!found) throw new SpawnError(`cannot run \`${file}\`: no such program`, true)
}

function toSpawnError(result: object): SpawnError {
  const cause = 'cause' in result ? (result.cause as NodeJS.ErrnoException | undefined) : undefined
  const code = cause?.code ?? 'unknown error'
  const hints: Record<string, string> = {
    EAGAIN: 'the system is out of processes or memory',
    ENOMEM: 'the system is out of memory',
    EMFILE: 'too many open files; raise `ulimit -n`',
    ENFILE: 'the system is out of open files',
  }
  const hint = hints[code]
  const permanent = code === 'ENOENT' || code === 'EACCES'
  return new SpawnError(
    `cannot start a process: ${code}${hint ? ` (${hint})` : ''}`,
    permanent,
    cause ?? result,
  )
}
