import { spawn } from 'node:child_process'
import { environment } from '@asr-cluster/protocol'
import type { Clock } from '../world/clock.js'

/**
 * A shell that does nothing until our end of its input closes, which the kernel does even at `kill -9`. Then it
 * kills every process group of ours that is still there, and whatever else carries this run's mark in its
 * environment: grandchildren of a `command:` get no parent-death signal, and may have left the group.
 */
const script = `
trap '' HUP INT TERM
groups=' '
while read -r verb group; do
  case $verb in
    add) groups="$groups$group " ;;
    remove) case $groups in *" $group "*) groups="\${groups%% "$group" *} \${groups#* "$group" }" ;; esac ;;
    quit) exit 0 ;;
  esac
done
for group in $groups; do kill -KILL -- "-$group" 2>/dev/null; done
for file in $(grep -lzxF -- "$1" /proc/[0-9]*/environ 2>/dev/null); do
  pid=\${file#/proc/}
  kill -KILL "\${pid%/environ}" 2>/dev/null
done
`

export interface Guard {
  add(groupId: number): void
  remove(groupId: number): void
  /** Ends the guard without harm; call it when nothing of ours is left. */
  quit(): void
}

const restartMs = 1_000

/** Starts the guard of one run, and again if it dies. `clusterId` must be unique to the run. */
export function startGuard(clusterId: string, clock: Clock, onLost: (message: string) => void): Guard {
  const groups = new Set<number>()
  let isQuitting = false
  let cancelRestart = (): void => {}
  let tell: (line: string) => void = () => {}

  function start(): void {
    const child = spawn(
      '/bin/sh',
      ['-c', script, 'asr-cluster-guard', `${environment.clusterId}=${clusterId}`],
      {
        detached: true,
        stdio: ['pipe', 'ignore', 'ignore'],
      },
    )
    const onEnd = (how: string): void => {
      if (isQuitting) return
      onLost(how)
      tell = () => {}
      cancelRestart = clock.after(restartMs, start)
    }
    child.once('error', (error) => onEnd(`cannot run: ${error.message}`))
    child.once('exit', (code, signal) => onEnd(`ended with ${signal ?? `code ${code}`}`))
    child.stdin.on('error', () => {})
    child.unref()
    tell = (line) => void child.stdin.write(`${line}\n`)
    for (const groupId of groups) tell(`add ${groupId}`)
  }

  start()
  return {
    add(groupId) {
      groups.add(groupId)
      tell(`add ${groupId}`)
    },
    remove(groupId) {
      groups.delete(groupId)
      tell(`remove ${groupId}`)
    },
    quit() {
      isQuitting = true
      cancelRestart()
      tell('quit')
    },
  }
}
