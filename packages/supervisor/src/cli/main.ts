import yargs from 'yargs'
import type { ArgumentsCamelCase, Argv } from 'yargs'
import { ConfigError } from '../config/config-error.js'
import { NoSuchGpuError } from '../gpu/place-gpu.js'
import { NotRunningError } from '../control/find-cluster.js'
import { version } from '../version.js'
import { configCommand } from './commands/config.js'
import { downCommand } from './commands/down.js'
import { logsCommand } from './commands/logs.js'
import {
  reloadCommand,
  restartCommand,
  scaleCommand,
  startCommand,
  stopCommand,
} from './commands/operations.js'
import { statusCommand } from './commands/status.js'
import { upCommand } from './commands/up.js'
import type { CliContext, Command } from './context.js'
import { cliExit, UsageError } from './exit-codes.js'
import { processOutput } from './output.js'
import { addToolCommands } from './tool-commands.js'

/** Runs `asr-cluster` with the arguments after the program's name; returns the exit code. */
export async function main(args: readonly string[], context: CliContext = processContext()): Promise<number> {
  let code: number = cliExit.ok
  const parser = yargs([...args])
    .scriptName('asr-cluster')
    .usage('$0 COMMAND\n\nTurns N speech-recognition processes into one endpoint that stays up.')
    .version(version)
    .strict()
    .demandCommand(1, 'Which command?')
    .recommendCommands()
    .completion('completion', 'Print a completion script for bash or zsh')
    .exitProcess(false)
    .fail((message: string | null, error: Error | undefined) => {
      throw error ?? new UsageError(message ?? 'wrong usage')
    })
  const add = <Args>({ command, describe, builder, run }: Command<Args>): void => {
    parser.command(
      command,
      describe,
      (argv) => builder(argv as Argv),
      async (parsed) => {
        code = await run(parsed as ArgumentsCamelCase<Args>, context)
      },
    )
  }
  add(upCommand)
  add(downCommand)
  add(statusCommand)
  add(startCommand)
  add(stopCommand)
  add(restartCommand)
  add(scaleCommand)
  add(reloadCommand)
  add(logsCommand)
  add(configCommand)
  addToolCommands(add)
  try {
    await parser.parseAsync()
    return code
  } catch (error) {
    return explain(error, context)
  }
}

function explain(error: unknown, { output }: CliContext): number {
  if (error instanceof UsageError) {
    output.complain(`asr-cluster: ${error.message}\nSee \`asr-cluster --help\`.`)
    return cliExit.usage
  }
  if (error instanceof ConfigError) {
    output.complain(error.message)
    return cliExit.configuration
  }
  if (error instanceof NoSuchGpuError) {
    output.complain(`asr-cluster: ${error.message}`)
    return cliExit.configuration
  }
  if (error instanceof NotRunningError) {
    output.complain(`asr-cluster: ${error.message}`)
    return cliExit.failed
  }
  output.complain(`asr-cluster: ${error instanceof Error ? error.message : String(error)}`)
  return cliExit.failed
}

function processContext(): CliContext {
  return { output: processOutput, cwd: process.cwd(), env: process.env }
}
