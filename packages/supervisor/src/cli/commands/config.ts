import type { Argv } from 'yargs'
import { stringify } from 'yaml'
import { resolveAllowUsers } from '../../config/allow-users.js'
import { configJsonSchema } from '../../config/json-schema.js'
import { loadConfig } from '../../config/load-config.js'
import { findUser, systemUsers } from '../../config/run-as.js'
import type { SupervisorConfig } from '../../config/schema.js'
import { toInput } from '../../config/to-input.js'
import type { Command } from '../context.js'
import { cliExit } from '../exit-codes.js'

interface ConfigArgs {
  action: 'print' | 'validate' | 'schema'
  config: string | undefined
  insecure: boolean
  json: boolean
}

export const configCommand: Command<ConfigArgs> = {
  command: 'config <action>',
  describe: 'Show the resolved configuration, check it, or print its JSON schema',
  builder: (argv: Argv) =>
    argv
      .positional('action', { choices: ['print', 'validate', 'schema'] as const, demandOption: true })
      .option('config', { alias: 'c', type: 'string', describe: 'Configuration file' })
      .option('insecure', {
        type: 'boolean',
        default: false,
        describe: 'With validate: for an `up` with --insecure',
      })
      .option('json', {
        type: 'boolean',
        default: false,
        describe: 'Print as JSON',
      }) as unknown as Argv<ConfigArgs>,
  run(args, { output, cwd, env }) {
    if (args.action === 'schema') {
      output.print(JSON.stringify(configJsonSchema(), null, 2))
      return Promise.resolve(cliExit.ok)
    }
    const isValidation = args.action === 'validate'
    const insecure = args.insecure || !isValidation
    const { config, file } = loadConfig({ file: args.config, cwd, insecure, env })
    if (!isValidation) {
      const input = toInput(config)
      output.print(args.json ? JSON.stringify(input) : stringify(input).trimEnd())
    } else {
      checkUsers(config.supervisor)
      output.print(args.json ? JSON.stringify({ ok: true, file }) : `${file ?? '(defaults)'}: ok`)
    }
    return Promise.resolve(cliExit.ok)
  },
}

/** Not whether we may start programs as `user`: the cluster may be started by root. Throws MachineMismatchError. */
function checkUsers({ user, allowUsers }: SupervisorConfig): void {
  if (user !== undefined) findUser(user, systemUsers)
  resolveAllowUsers(allowUsers, null)
}
