import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { expectNoneLeft, kill, testMark } from './processes.js'
import { waitFor } from './wait-for.js'

export const repositoryRoot = fileURLToPath(new URL('../../', import.meta.url))

/** The committed entry of one of our programs. */
export function binOf(name: 'asr-cluster' | 'asr-instance' | 'asr-balancer'): string {
  const packages = { 'asr-cluster': 'supervisor', 'asr-instance': 'asr-instance', 'asr-balancer': 'balancer' }
  return `${repositoryRoot}packages/${packages[name]}/bin/${name}.js`
}

export interface ProgramOptions {
  args?: readonly string[]
  env?: Readonly<Record<string, string>>
  cwd?: string
  /** After this it is killed, whatever the test waits for. */
  deadlineMs?: number
  /** Mark of another program that this one belongs to. */
  mark?: string
  /** Descriptors of ours that it gets as 3, 4, and so on. */
  inheritFds?: readonly number[]
}

export interface ProgramExit {
  code: number | null
  signal: NodeJS.Signals | null
}

/** A program that a test started, in a process group of its own. `await using` ends it and all it started. */
export interface Program extends AsyncDisposable {
  readonly pid: number
  readonly mark: string
  readonly exited: Promise<ProgramExit>
  stdout(): string
  stderr(): string
  /** What it printed so far, for error messages. */
  output: () => string
  /** Resolves with the match once standard output (or error) has one. */
  printed(pattern: RegExp, deadlineMs?: number): Promise<RegExpExecArray>
  signal(signal: NodeJS.Signals): void
}

const defaultDeadlineMs = 110_000

/** Starts a JavaScript file with this node. */
export function startProgram(file: string, options: ProgramOptions = {}): Program {
  return startCommand(process.execPath, [file, ...(options.args ?? [])], options)
}

export function startCommand(
  command: string,
  args: readonly string[],
  {
    env = {},
    cwd,
    deadlineMs = defaultDeadlineMs,
    mark = randomUUID(),
    inheritFds = [],
  }: ProgramOptions = {},
): Program {
  const child = spawn(command, args, {
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...process.env, ...env, [testMark]: mark },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', ...inheritFds],
  })
  const { pid } = child
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk: Buffer) => void (stdout += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => void (stderr += chunk.toString()))
  const exited = new Promise<ProgramExit>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  if (pid === undefined) throw new Error(`cannot start ${command}`)
  const timer = setTimeout(() => {
    stderr += `\n[harness] killed after ${deadlineMs} ms\n`
    kill(-pid, 'SIGKILL')
  }, deadlineMs)
  void exited.then(() => clearTimeout(timer))
  const output = (): string => `--- standard output\n${stdout}\n--- standard error\n${stderr}`
  return {
    pid,
    mark,
    exited,
    stdout: () => stdout,
    stderr: () => stderr,
    output,
    printed(pattern, waitMs = 60_000) {
      const look = (): RegExpExecArray | null => pattern.exec(stdout) ?? pattern.exec(stderr)
      return waitFor(
        () => {
          const match = look()
          if (match === null && child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`)
          return match
        },
        { what: `${String(pattern)} in the output`, deadlineMs: waitMs, context: output },
      )
    },
    signal: (signal) => kill(-pid, signal),
    async [Symbol.asyncDispose]() {
      clearTimeout(timer)
      kill(-pid, 'SIGKILL')
      await expectNoneLeft(mark)
    },
  }
}

/** Runs a program to its end. */
export async function runProgram(
  file: string,
  options: ProgramOptions = {},
): Promise<ProgramExit & { stdout: string; stderr: string }> {
  await using program = startProgram(file, options)
  const exit = await program.exited
  return { ...exit, stdout: program.stdout(), stderr: program.stderr() }
}
