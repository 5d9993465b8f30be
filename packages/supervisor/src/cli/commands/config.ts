import type { Argv } from 'yargs'
import { stringify } from 'yaml'
import { configJsonSchema } from '../../config/json-schema.js'
import { loadConfig } from '../../config/load-config.js'
import { toInput } from '../../config/to-input.js'
import type { Command } from '../context.js'
import { cliExit } from '../exit-codes.js'

interface ConfigArgs {
  action: 'print' | 'validate' | 'schema'
  config: string | undefined
  json: boolean
}

export const configCommand: Command<ConfigArgs> = {
  command: 'config <action>',
  describe: 'Show the resolved configuration, check it, or print its JSON schema',
  builder: (argv: Argv) =>
    argv
      .positional('action', { choices: ['print', 'validate', 'schema'] as const, demandOption: true })
      .option('config', { alias: 'c', type: 'string', describe: 'Configuration file' })
      .option('json', {
        type: 'boolean',
        default: false,
        describe: 'Print as JSON',
      }) as unknown as Argv<ConfigArgs>,
  run(args, { output, cwd }) {
    if (args.action === 'schema') {
      output.print(JSON.stringify(configJsonSchema(), null, 2))
      return Promise.resolve(cliExit.ok)
    }
    const { config, file } = loadConfig({ file: args.config, cwd, insecure: true })
    if (args.action === 'print') {
      const input = toInput(config)
      output.print(args.json ? JSON.stringify(input) : stringify(input).trimEnd())
    } else {
      output.print(args.json ? JSON.stringify({ ok: true, file }) : `${file ?? '(defaults)'}: ok`)
    }
    return Promise.resolve(cliExit.ok)
  },
}
