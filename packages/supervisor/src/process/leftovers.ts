import { statSync } from 'node:fs'
import { environment } from '@asr-cluster/protocol'
import { setTimeout as sleep } from 'node:timers/promises'
import { listPids, readEnvironment, readProcess } from './process-table.js'
import type { ProcessInfo } from './process-table.js'

const killTimeoutMs = 2_000

/** Processes of a former run of the cluster on this port whose supervisor is dead. */
export function findLeftovers(port: number): ProcessInfo[] {
  return listPids().flatMap((pid) => {
    if (pid === process.pid || !isOurs(pid)) return []
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

function isOurs(pid: number): boolean {
  try {
    return statSync(`/proc/${pid}`).uid === process.getuid?.()
  } catch {
    return false
  }
}
