import type { ArgumentsCamelCase, Argv } from 'yargs'
import type { Output } from './output.js'

/** What every command gets. */
export interface CliContext {
  output: Output
  cwd: string
  env: NodeJS.ProcessEnv
}

/** One command of `asr-cluster`; `run` returns the exit code. */
export interface Command<Args> {
  /** In the words of yargs, for example `logs [id]`. */
  command: string
  describe: string
  builder: (argv: Argv) => Argv<Args>
  run: (args: ArgumentsCamelCase<Args>, context: CliContext) => Promise<number>
}
