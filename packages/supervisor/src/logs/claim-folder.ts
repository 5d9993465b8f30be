import { closeSync, constants, existsSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { readProcess } from '../process/process-table.js'
import { makeFolder } from '../world/make-folder.js'
import { openLogForReading } from './open-log-file.js'

const { O_CREAT, O_EXCL, O_WRONLY } = constants

/** A folder of logs that one cluster has for itself. */
export interface LogFolder {
  readonly dir: string
  /** Who has the configured folder; null where it is `dir`. */
  readonly heldBy: { pid: number; port: number } | null
  release(): void
}

interface Owner {
  pid: number
  /** With the pid it names one process for ever. */
  startTicks: number
  port: number
}

/**
 * The configured folder, or the one below it that is called as the port is, where another cluster writes to the first:
 * both have a `default-0.log`. A cluster that has once been kept apart stays so, whichever of the two starts first.
 */
export function claimLogFolder(configured: string, port: number): LogFolder {
  const apart = folderOfPort(configured, port)
  if (!existsSync(apart) && claim(configured, port) === null) return held(configured, null)
  claim(apart, port)
  return held(apart, livingOwner(configured))
}

/** Where the cluster of this port has its logs, if no other folder is known. */
export function logFolderOf(configured: string, port: number | undefined): string {
  const apart = port === undefined ? configured : folderOfPort(configured, port)
  return existsSync(apart) ? apart : configured
}

const folderOfPort = (configured: string, port: number): string => join(configured, String(port))
const markOf = (dir: string): string => join(dir, 'supervisor.pid')

function held(dir: string, heldBy: LogFolder['heldBy']): LogFolder {
  return {
    dir,
    heldBy,
    release() {
      if (readOwner(dir)?.pid === process.pid) rmSync(markOf(dir), { force: true })
    },
  }
}

/** Null once the folder is ours, or where nobody can have one, as on a full disk: what cannot be written is told elsewhere. */
function claim(dir: string, port: number): Owner | null {
  const owner = livingOwner(dir)
  if (owner !== null) return owner
  try {
    makeFolder(dir)
    rmSync(markOf(dir), { force: true })
    const fd = openSync(markOf(dir), O_WRONLY | O_CREAT | O_EXCL, 0o644)
    writeSync(fd, `${process.pid} ${readProcess(process.pid)?.startTicks ?? 0} ${port}\n`)
    closeSync(fd)
  } catch {
    // Two that start in the same moment: the other one was first.
    return livingOwner(dir)
  }
  return null
}

function livingOwner(dir: string): Owner | null {
  const owner = readOwner(dir)
  if (owner === null || owner.pid === process.pid) return null
  const info = readProcess(owner.pid)
  return info && info.state !== 'Z' && info.startTicks === owner.startTicks ? owner : null
}

function readOwner(dir: string): Owner | null {
  try {
    const fd = openLogForReading(markOf(dir))
    try {
      const [pid = NaN, startTicks = NaN, port = NaN] = readFileSync(fd, 'utf8').split(' ').map(Number)
      return { pid, startTicks, port }
    } finally {
      closeSync(fd)
    }
  } catch {
    return null
  }
}
