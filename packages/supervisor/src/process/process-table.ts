import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

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
}

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
