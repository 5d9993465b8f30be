import type { Argv } from 'yargs'
import type { Command } from '../context.js'
import { cliExit, UsageError } from '../exit-codes.js'

interface ModelsArgs {
  json: boolean
  prune: boolean
  check: boolean
}

export const modelsCommand: Command<ModelsArgs> = {
  command: 'models',
  describe: 'List the models that were pulled, with their size and what is compiled',
  builder: (argv: Argv) =>
    argv
      .option('json', { type: 'boolean', default: false, describe: 'Print as JSON' })
      .option('prune', {
        type: 'boolean',
        default: false,
        describe: 'Remove what earlier versions compiled, which this one does not use',
      })
      .option('check', {
        type: 'boolean',
        default: false,
        describe: 'Read all of them, and say which are not as they were written',
      }),
  async run(args, context) {
    if (args.check && args.prune) throw new UsageError('--check and --prune cannot be combined')
    const [hub, instance] = await Promise.all([
      import('@asr-cluster/tools/hub'),
      import('@asr-cluster/asr-instance'),
    ])
    const { formatModels, formatOutdated, formatRemoved, listModels } = hub
    const { compiledQuantizations, outdatedEntries, removeOutdatedEntries } = instance
    const cacheDir = instance.defaultCacheDir(context.env)
    if (args.prune) {
      const removed = await removeOutdatedEntries(cacheDir)
      context.output.print(args.json ? JSON.stringify({ removed }) : formatRemoved(removed))
      return cliExit.ok
    }
    if (args.check) {
      const pulled = await hub.checkModels(context.env)
      const compiled = await instance.checkEntries(cacheDir)
      const lines = args.json ? [JSON.stringify({ pulled, compiled })] : hub.formatChecked(pulled, compiled)
      for (const line of lines) context.output.print(line)
      return [...pulled, ...compiled].every(({ damage }) => damage === undefined)
        ? cliExit.ok
        : cliExit.failed
    }
    const models = await listModels(context.env, (dir) => compiledQuantizations(dir, cacheDir))
    if (args.json) context.output.print(JSON.stringify(models))
    else {
      const lines = [...formatModels(models), ...formatOutdated(await outdatedEntries(cacheDir))]
      for (const line of lines) context.output.print(line)
    }
    return cliExit.ok
  },
}
