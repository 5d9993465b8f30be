import { spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export { sleep }

/** Runs a program to its end; its standard output, or null when it failed or does not exist. */
export function tryRun(file, ...args) {
  const { status, stdout } = spawnSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  return status === 0 ? stdout : null
}

export function kill(pid, signal) {
  try {
    process.kill(pid, signal)
    return true
  } catch {
    return false
  }
}

const undo = []
/** Calls it at the end of the program, whatever the end is; the last one first. */
export const atEnd = (work) => undo.push(work)
let undone = false
export function cleanUp() {
  if (undone) return
  undone = true
  for (const work of undo.reverse()) {
    try {
      work()
    } catch (error) {
      console.error(`clean-up: ${error.message}`)
    }
  }
}
process.on('exit', cleanUp)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130))

/** Starts a program in a group of its own that does not outlive this one. */
export function start(file, args, options = {}) {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, ...options })
  child.output = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (child.output += chunk))
  child.exited = new Promise((resolve) => {
    child.on('exit', (code, signal) => resolve(code ?? signal))
    child.on('error', (error) => resolve(error.message))
  })
  atEnd(() => child.pid && child.exitCode === null && kill(-child.pid, 'SIGKILL'))
  return child
}

export async function waitUntil(condition, what, deadlineMs = 60_000, intervalMs = 50) {
  const until = performance.now() + deadlineMs
  for (;;) {
    const value = await Promise.resolve()
      .then(condition)
      .catch(() => null)
    if (value) return value
    if (performance.now() > until) throw new Error(`gave up waiting for ${what}`)
    await sleep(intervalMs)
  }
}

function read(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Every living process with this entry in its environment, with its command line. */
export function marked(entry) {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name) || !read(`/proc/${name}/environ`).split('\0').includes(entry)) return []
    if (/^\S+ \(.*\) [ZX]/s.test(read(`/proc/${name}/stat`))) return []
    return [{ pid: Number(name), command: read(`/proc/${name}/cmdline`).replaceAll('\0', ' ').trim() }]
  })
}
