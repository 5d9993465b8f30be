import type { Argv } from 'yargs'
import type { Command } from '../context.js'
import { cliExit } from '../exit-codes.js'
import { runTool } from '../run-tool.js'

interface ModelsArgs {
  json: boolean
}

export const modelsCommand: Command<ModelsArgs> = {
  command: 'models',
  describe: 'List the models that were pulled, with their size and what is compiled',
  builder: (argv: Argv) =>
    argv.option('json', { type: 'boolean', default: false, describe: 'Print as JSON' }),
  run: (args, context) =>
    runTool(context, async () => {
      const [{ formatModels, listModels }, { compiledQuantizations, defaultCacheDir }] = await Promise.all([
        import('@asr-cluster/tools/hub'),
        import('@asr-cluster/asr-instance'),
      ])
      const cacheDir = defaultCacheDir(context.env)
      const models = await listModels(context.env, (dir) => compiledQuantizations(dir, cacheDir))
      if (args.json) context.output.print(JSON.stringify(models))
      else for (const line of formatModels(models)) context.output.print(line)
      return cliExit.ok
    }),
}
