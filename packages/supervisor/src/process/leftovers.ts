import { readlinkSync, statSync } from 'node:fs'
import { environment } from '@asr-cluster/protocol'
import { setTimeout as sleep } from 'node:timers/promises'
import { listPids, readEnvironment, readProcess } from './process-table.js'
import type { ProcessInfo } from './process-table.js'

const killTimeoutMs = 2_000

/**
 * Processes of a former run of the cluster on this port whose supervisor is dead. As root (`ownUid` 0) also those of
 * other users, because of `supervisor.user`. None of a container, be it of our own user: in there pids are others, so that
 * its supervisor would look dead from here.
 */
export function findLeftovers(
  port: number,
  ownUid = process.getuid?.(),
  pidNamespaceOf = readPidNamespace,
): ProcessInfo[] {
  const ownNamespace = pidNamespaceOf(process.pid)
  return listPids().flatMap((pid) => {
    if (pid === process.pid || !mayBeOurs(pid, ownUid)) return []
    if (ownNamespace === null || pidNamespaceOf(pid) !== ownNamespace) return []
    if (!readEnvironment(pid, environment.clusterId)?.startsWith(`${port}-`)) return []
    const supervisor = readProcess(Number(readEnvironment(pid, environment.supervisorPid)))
    const info = readProcess(pid)
    // A pid may have been given to somebody else since, but then that one is younger than the leftover.
    const isOrphan =
      !supervisor || supervisor.state === 'Z' || (info && supervisor.startTicks > info.startTicks)
    return info && info.state !== 'Z' && isOrphan ? [info] : []
  })
}

/** Kills them and waits until they are gone, so that their ports are free. Returns those that stay. */
export async function killLeftovers(leftovers: readonly ProcessInfo[]): Promise<ProcessInfo[]> {
  const deadline = performance.now() + killTimeoutMs
  let rest = [...leftovers]
  while (rest.length > 0 && performance.now() < deadline) {
    for (const { pid } of rest) kill(pid)
    await sleep(10)
    rest = rest.filter(({ pid, startTicks }) => {
      const info = readProcess(pid)
      return info !== null && info.state !== 'Z' && info.startTicks === startTicks
    })
  }
  return rest
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Gone already.
  }
}

function mayBeOurs(pid: number, ownUid: number | undefined): boolean {
  try {
    return ownUid === 0 || statSync(`/proc/${pid}`).uid === ownUid
  } catch {
    return false
  }
}

/** Null for what we may not look into. */
function readPidNamespace(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`)
  } catch {
    return null
  }
}
