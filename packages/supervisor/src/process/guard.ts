import { spawn } from 'node:child_process'
import { environment } from '@asr-cluster/protocol'

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
  readonly pid: number | null
  add(groupId: number): void
  remove(groupId: number): void
  /** Ends the guard without harm; call it when nothing of ours is left. */
  quit(): void
}

/** Starts the guard of one run. `clusterId` must be unique to the run. */
export function startGuard(clusterId: string, onLost: (message: string) => void): Guard {
  const child = spawn(
    '/bin/sh',
    ['-c', script, 'asr-cluster-guard', `${environment.clusterId}=${clusterId}`],
    {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    },
  )
  let isQuitting = false
  child.once('error', (error) => onLost(`cannot run: ${error.message}`))
  child.once('exit', (code, signal) => {
    if (!isQuitting) onLost(`ended with ${signal ?? `code ${code}`}`)
  })
  child.stdin.on('error', () => {})
  child.unref()
  const tell = (line: string): void => void child.stdin.write(`${line}\n`)
  return {
    pid: child.pid ?? null,
    add: (groupId) => tell(`add ${groupId}`),
    remove: (groupId) => tell(`remove ${groupId}`),
    quit() {
      isQuitting = true
      child.stdin.end('quit\n')
    },
  }
}
