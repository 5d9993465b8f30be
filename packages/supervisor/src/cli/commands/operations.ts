import type { Argv } from 'yargs'
import { connectToCluster, operationSay, reportOutcome, runOperation, withPort } from '../client-options.js'
import type { PortArgs } from '../client-options.js'
import type { CliContext, Command } from '../context.js'
import { UsageError } from '../exit-codes.js'

interface OperationArgs extends PortArgs {
  json: boolean
}

interface IdArgs extends OperationArgs {
  ids: string[] | undefined
}

interface RestartArgs extends IdArgs {
  rolling: boolean
}

interface ScaleArgs extends OperationArgs {
  targets: string[]
}

interface ReloadArgs extends OperationArgs {
  dryRun: boolean
}

function withCommon(argv: Argv): Argv<OperationArgs> {
  return withPort(argv).option('json', {
    type: 'boolean',
    default: false,
    describe: 'Print the outcome as JSON',
  })
}

function withIds(argv: Argv): Argv<IdArgs> {
  return withCommon(argv).positional('ids', {
    type: 'string',
    array: true,
    describe: 'Instances or groups; all of them without',
  }) as unknown as Argv<IdArgs>
}

export const startCommand: Command<IdArgs> = {
  command: 'start [ids..]',
  describe: 'Start instances that are stopped or failed',
  builder: withIds,
  run: (args, context) => operate('start', { ids: args.ids ?? [] }, args, context),
}

export const stopCommand: Command<IdArgs> = {
  command: 'stop [ids..]',
  describe: 'Drain and stop instances; the cluster goes on',
  builder: withIds,
  run: (args, context) => operate('stop', { ids: args.ids ?? [] }, args, context),
}

export const restartCommand: Command<RestartArgs> = {
  command: 'restart [ids..]',
  describe: 'Drain and restart instances, or `balancer`',
  builder: (argv) =>
    withIds(argv).option('rolling', {
      type: 'boolean',
      default: false,
      describe: 'One after the other, each once all are ready again',
    }),
  run: (args, context) => operate('restart', { ids: args.ids ?? [], rolling: args.rolling }, args, context),
}

export const scaleCommand: Command<ScaleArgs> = {
  command: 'scale <targets..>',
  describe: 'Set the number of instances: `scale 4`, `scale GROUP=4`',
  builder: (argv) =>
    withCommon(argv).positional('targets', {
      // As it is written: as a number `1e0` would be 1.
      type: 'string',
      array: true,
      demandOption: true,
      describe: 'N or GROUP=N',
    }) as unknown as Argv<ScaleArgs>,
  run(args, context) {
    const { targets } = args
    for (const [index, target] of targets.entries()) {
      const match = /^(?:([a-z][a-z0-9-]*)=)?\d+$/.exec(target)
      if (!match) throw new UsageError(`expected N or GROUP=N, got \`${target}\``)
      const before = targets.slice(0, index).map((other) => /^(?:(.*)=)?/.exec(other)?.[1])
      if (before.includes(match[1])) {
        throw new UsageError(`${match[1] === undefined ? 'N' : `the group \`${match[1]}\``} is given twice`)
      }
    }
    return operate('scale', { targets }, args, context)
  },
}

export const reloadCommand: Command<ReloadArgs> = {
  command: 'reload',
  describe: 'Read the configuration again and apply only what differs',
  builder: (argv) =>
    withCommon(argv).option('dry-run', {
      type: 'boolean',
      default: false,
      describe: 'Only show what would change',
    }) as unknown as Argv<ReloadArgs>,
  run: (args, context) => operate('reload', { dryRun: args.dryRun }, args, context),
}

async function operate(
  name: string,
  body: object,
  args: OperationArgs,
  context: CliContext,
): Promise<number> {
  const client = await connectToCluster(args, context)
  try {
    const outcome = await runOperation(client, name, body, operationSay(args.json, context))
    return reportOutcome(outcome, args.json, context)
  } finally {
    await client.close()
  }
}
