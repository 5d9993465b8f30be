import { readlinkSync, statSync } from 'node:fs'
import { environment } from '@asr-cluster/protocol'
import { setTimeout as sleep } from 'node:timers/promises'
import { listPids, readEnvironment, readProcess } from './process-table.js'
import type { ProcessInfo } from './process-table.js'

const killTimeoutMs = 2_000

/**
 * Processes of a former run of the cluster on this port whose supervisor is dead. As root (`ownUid` 0) also those of
 * other users, because of `supervisor.user`.
 */
export function findLeftovers(port: number, ownUid = process.getuid?.()): ProcessInfo[] {
  return listPids().flatMap((pid) => {
    if (pid === process.pid || !isOurs(pid, ownUid)) return []
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

function isOurs(pid: number, ownUid: number | undefined): boolean {
  try {
    if (statSync(`/proc/${pid}`).uid === ownUid) return true
    // In a container pids are others: its supervisor would look dead from here.
    return ownUid === 0 && readlinkSync(`/proc/${pid}/ns/pid`) === readlinkSync('/proc/self/ns/pid')
  } catch {
    return false
  }
}
