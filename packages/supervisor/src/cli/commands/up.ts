import { setFlagsFromString } from 'node:v8'
import type { ArgumentsCamelCase, Argv } from 'yargs'
import { loadConfig } from '../../config/load-config.js'
import type { LoadedConfig } from '../../config/load-config.js'
import type { ClusterConfig } from '../../config/schema.js'
import { checkWholeNumber } from '../command-line.js'
import type { CliContext, Command } from '../context.js'

export interface UpArgs {
  config: string | undefined
  model: string | undefined
  instances: number | undefined
  port: number | undefined
  basePort: number | undefined
  detach: boolean
  insecure: boolean
  replace: boolean
}

export const upCommand: Command<UpArgs> = {
  command: 'up',
  describe: 'Start the cluster; Ctrl-C drains it, a second Ctrl-C kills it',
  builder: (argv: Argv) =>
    argv
      .option('config', { alias: 'c', type: 'string', describe: 'Configuration file' })
      .option('model', { type: 'string', describe: 'Model of the first group' })
      .option('instances', { type: 'number', describe: 'Number of instances of the first group' })
      .option('port', { type: 'number', describe: 'Port for clients; 0 for any free one' })
      .option('base-port', { type: 'number', describe: 'Port of the first instance; 0 for any free ones' })
      .option('detach', { type: 'boolean', default: false, describe: 'Return once the cluster is ready' })
      .option('insecure', {
        type: 'boolean',
        default: false,
        describe: 'Allow a balancer that other machines can reach without API keys',
      })
      .option('replace', {
        type: 'boolean',
        default: false,
        describe: 'Drain the cluster that runs on the port, then take its place',
      }) as unknown as Argv<UpArgs>,
  async run(args, context) {
    const { config, reload } = openUpConfig(args, context)
    if (args.detach) {
      const { runDetached } = await import('../detach.js')
      return runDetached(context, config.supervisor.logs.dir)
    }
    // The supervisor lives long and has little to do: 15 MB less are worth more than its speed.
    setFlagsFromString('--optimize-for-size')
    const { runForeground } = await import('../foreground.js')
    const { replace } = args
    return runForeground(config, reload, context, { replace })
  },
}

/**
 * The configuration, and what reads it again. The file is looked for only once: a search that finds nothing later would
 * mean the defaults, without API keys. The flags stay with the group that was the first one. Both throw UsageError and ConfigError.
 */
export function openUpConfig(
  args: ArgumentsCamelCase<UpArgs>,
  context: CliContext,
): { config: ClusterConfig; reload: () => ClusterConfig } {
  const { config, file } = loadUpConfig(args, context, args.config)
  // Whatever is written above it later.
  const group = config.groups[0]?.name
  return { config, reload: () => loadUpConfig(args, context, file, group).config }
}

function loadUpConfig(
  args: ArgumentsCamelCase<UpArgs>,
  context: CliContext,
  file: string | null | undefined,
  group?: string,
): LoadedConfig {
  for (const [name, limit] of [
    ['instances', 64],
    ['basePort', 65_535],
  ] as const) {
    if (args[name] !== undefined) {
      checkWholeNumber(name, args[name], { max: limit })
    }
  }
  return loadConfig({
    file,
    cwd: context.cwd,
    insecure: args.insecure,
    overrides: {
      group,
      model: args.model,
      instances: args.instances,
      port: args.port,
      basePort: args.basePort,
    },
  })
}
