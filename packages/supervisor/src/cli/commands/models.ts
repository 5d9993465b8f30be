import type { Argv } from 'yargs'
import type { Command } from '../context.js'
import { cliExit } from '../exit-codes.js'
import { runTool } from '../run-tool.js'

interface ModelsArgs {
  json: boolean
  prune: boolean
}

export const modelsCommand: Command<ModelsArgs> = {
  command: 'models',
  describe: 'List the models that were pulled, with their size and what is compiled',
  builder: (argv: Argv) =>
    argv.option('json', { type: 'boolean', default: false, describe: 'Print as JSON' }).option('prune', {
      type: 'boolean',
      default: false,
      describe: 'Remove what earlier versions compiled, which this one does not use',
    }),
  run: (args, context) =>
    runTool(context, async () => {
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
      const models = await listModels(context.env, (dir) => compiledQuantizations(dir, cacheDir))
      if (args.json) context.output.print(JSON.stringify(models))
      else {
        const lines = [...formatModels(models), ...formatOutdated(await outdatedEntries(cacheDir))]
        for (const line of lines) context.output.print(line)
      }
      return cliExit.ok
    }),
}
