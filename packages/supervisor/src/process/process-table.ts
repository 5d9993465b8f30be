import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { ownMemoryBytes } from '@asr-cluster/protocol/process'

/** One process as /proc shows it. Reading races with its end: every function returns null or skips then. */
export interface ProcessInfo {
  pid: number
  command: string
  /** `Z` is dead and waits to be reaped. */
  state: string
  parentPid: number
  groupId: number
  /** Clock ticks since boot; with the pid it names one process for ever. */
  startTicks: number
  /** Processor time in clock ticks, of user and system together. */
  cpuTicks: number
}

/** Linux shows clock ticks to programs as hundredths of a second on every architecture that Node runs on. */
const ticksPerSecond = 100

export function listPids(): number[] {
  try {
    return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []))
  } catch {
    return []
  }
}

export function readProcess(pid: number): ProcessInfo | null {
  const stat = read(`/proc/${pid}/stat`)
  if (stat === null) return null
  // The command is in parentheses and may hold any character, so the fields begin after the last one.
  const open = stat.indexOf('(')
  const close = stat.lastIndexOf(')')
  const fields = stat.slice(close + 2).split(' ')
  return {
    pid,
    command: stat.slice(open + 1, close),
    state: fields[0] ?? '?',
    parentPid: Number(fields[1]),
    groupId: Number(fields[2]),
    startTicks: Number(fields[19]),
    cpuTicks: Number(fields[11]) + Number(fields[12]),
  }
}

/** Value of an environment variable that the process was started with; null if it has none or is not readable. */
export function readEnvironment(pid: number, name: string): string | null {
  const text = read(`/proc/${pid}/environ`)
  const entry = text?.split('\0').find((line) => line.startsWith(`${name}=`))
  return entry === undefined ? null : entry.slice(name.length + 1)
}

/** Living (not zombie) processes of a process group. */
export function livingGroupMembers(groupId: number): ProcessInfo[] {
  return listPids().flatMap((pid) => {
    const info = readProcess(pid)
    return info && info.groupId === groupId && info.state !== 'Z' ? [info] : []
  })
}

/** Memory of a process group's own, without mapped files; 0 if it is gone. */
export function groupMemoryBytes(groupId: number): number {
  return livingGroupMembers(groupId).reduce((sum, { pid }) => sum + (ownMemoryBytes(pid) ?? 0), 0)
}

/** Processor time in seconds that the living processes of each group have used so far. */
export function cpuSecondsByGroup(): Map<number, number> {
  const seconds = new Map<number, number>()
  for (const pid of listPids()) {
    const info = readProcess(pid)
    if (info) seconds.set(info.groupId, (seconds.get(info.groupId) ?? 0) + info.cpuTicks / ticksPerSecond)
  }
  return seconds
}

/** Who listens on a TCP port of this machine; null if nobody, or if we may not look. */
export function findPortHolder(port: number): ProcessInfo | null {
  const inodes = listeningInodes(port)
  if (inodes.size === 0) return null
  for (const pid of listPids()) {
    if (holdsSocket(pid, inodes)) return readProcess(pid)
  }
  return null
}

/** `python3 (pid 123)`, for messages. */
export function describePortHolder(port: number): string {
  const holder = findPortHolder(port)
  return holder ? `${holder.command} (pid ${holder.pid})` : 'another process'
}

function listeningInodes(port: number): Set<string> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const inodes = new Set<string>()
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of (read(table) ?? '').split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/)
      if (fields[1]?.endsWith(suffix) && fields[3] === '0A' && fields[9]) inodes.add(fields[9])
    }
  }
  return inodes
}

function holdsSocket(pid: number, inodes: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      const match = /^socket:\[(\d+)\]$/.exec(readLink(`/proc/${pid}/fd/${fd}`))
      return match?.[1] !== undefined && inodes.has(match[1])
    })
  } catch {
    return false
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
