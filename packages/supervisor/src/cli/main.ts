import yargs from 'yargs'
import type { ArgumentsCamelCase, Argv } from 'yargs'
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
import { checkParsed, markPositionals, positionalsOf, requireValues, withoutMarks } from './command-line.js'
import type { CliContext, Command } from './context.js'
import { cliExit, UsageError } from './exit-codes.js'
import { errorJson, explainError } from './explain-error.js'
import { processOutput } from './output.js'
import { addToolCommands } from './tool-commands.js'

export { watchOutput } from './write-errors.js'

/** Runs `asr-cluster` with the arguments after the program's name; returns the exit code. */
export async function main(args: readonly string[], context: CliContext = processContext()): Promise<number> {
  let code: number = cliExit.ok
  const parser = yargs(markPositionals(args))
    .scriptName('asr-cluster')
    .usage('$0 COMMAND\n\nTurns N speech-recognition processes into one endpoint that stays up.')
    .version(version)
    .strict()
    .demandCommand(1, 'Which command?')
    .recommendCommands()
    .completion('completion', 'Print a completion script for bash or zsh')
    .exitProcess(false)
    .fail((message: string | null, error: Error | undefined) => {
      // What its parser finds wrong comes as an error of yargs, what it validates as a message.
      if (error && error.name !== 'YError') throw error
      throw new UsageError(withoutMarks(message ?? error?.message ?? 'wrong usage'))
    })
  const add = <Args>({ command, describe, builder, run }: Command<Args>): void => {
    const positionals = positionalsOf(command)
    parser.command(
      command,
      describe,
      (argv) =>
        requireValues(builder(argv as Argv), positionals).middleware(
          (parsed) => checkParsed(parsed, positionals),
          true,
        ),
      async (parsed) => {
        try {
          code = await run(parsed as ArgumentsCamelCase<Args>, context)
        } catch (error) {
          // `bench --json FILE` prints none.
          if (parsed['json'] === true) context.output.print(errorJson(error))
          code = explainError(error, context.output)
        }
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
    return explainError(error, context.output)
  }
}

function processContext(): CliContext {
  return { output: processOutput, cwd: process.cwd(), env: process.env }
}
