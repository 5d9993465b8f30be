import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { openLogFile } from '../logs/open-log-file.js'
import type { CliContext } from './context.js'
import { cliExit } from './exit-codes.js'

/** Set in the environment of a supervisor whose starter waits for its word. */
const marker = 'ASR_CLUSTER_DETACHED'

type Word = { line: string; isError: boolean } | { exit: number }

/** The process that waits for a detached supervisor, as the supervisor sees it. */
export interface DetachedParent {
  say: (line: string) => void
  /** Says what went wrong. */
  complain: (line: string) => void
  /** Lets it go with an exit code; later lines go to the log only. */
  finish: (code: number) => void
}

export function detachedParent(env: NodeJS.ProcessEnv): DetachedParent | null {
  if (env[marker] === undefined || !process.send) return null
  delete env[marker]
  // It may be gone, or have been let go, at any time.
  process.on('error', () => {})
  const tell = (word: Word, then: () => void = () => {}): void => {
    if (process.connected) process.send?.(word, undefined, undefined, then)
  }
  return {
    say: (line) => tell({ line, isError: false }),
    complain: (line) => tell({ line, isError: true }),
    finish: (code) => tell({ exit: code }, () => process.connected && process.disconnect()),
  }
}

/** Starts this same command in a session of its own, shows what it says, and returns once it is ready. */
export async function runDetached({ output, cwd, env }: CliContext, logsDir: string): Promise<number> {
  const args = process.argv.slice(1).filter((arg) => !/^--detach(=.*)?$/.test(arg))
  // Only what the runtime itself says when it dies: everything else goes to supervisor.log.
  const crashLog = openLogFile(join(logsDir, 'supervisor.stderr.log'))
  const child = spawn(process.execPath, [...process.execArgv, ...args], {
    cwd,
    env: { ...env, [marker]: '1' },
    detached: true,
    stdio: ['ignore', crashLog, crashLog, 'ipc'],
  })
  const stop = (): void => void child.kill('SIGTERM')
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  try {
    return await new Promise<number>((resolve) => {
      child.on('message', (word: Word) => {
        if ('line' in word) (word.isError ? output.complain : output.print)(word.line)
        else resolve(word.exit)
      })
      child.once('error', (error) => {
        output.complain(`cannot start the supervisor: ${error.message}`)
        resolve(cliExit.failed)
      })
      child.once('exit', (code) => resolve(code ?? cliExit.failed))
    })
  } finally {
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
    if (child.connected) child.disconnect()
    child.unref()
  }
}
