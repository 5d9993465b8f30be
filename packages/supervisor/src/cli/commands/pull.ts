import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ArgumentsCamelCase, Argv } from 'yargs'
import { quantizations, type Quantization } from '@asr-cluster/protocol'
import { createLiveLine } from '@asr-cluster/tools/common'
import type { CliContext, Command } from '../context.js'
import { cliExit } from '../exit-codes.js'
import { styled } from '../output.js'

interface PullArgs {
  model: string
  quantization: 'auto' | Quantization
  revision: string
  dir: string | undefined
  json: boolean
}

export const pullCommand: Command<PullArgs> = {
  command: 'pull <model>',
  describe: 'Fetch a model from a Hugging Face hub (HF_ENDPOINT, HF_TOKEN) and compile it',
  builder: (argv: Argv) =>
    argv
      .positional('model', { type: 'string', demandOption: true, describe: 'ORG/NAME' })
      .option('quantization', {
        choices: ['auto', ...quantizations] as const,
        default: 'auto' as const,
        describe: 'Precision to compile for',
      })
      .option('revision', { type: 'string', default: 'main', describe: 'Branch, tag or commit' })
      .option('dir', { type: 'string', describe: 'Folder for the model, instead of the store' })
      .option('json', {
        type: 'boolean',
        default: false,
        describe: 'Print what was pulled as JSON',
      }) as unknown as Argv<PullArgs>,
  run: pull,
}

async function pull(args: ArgumentsCamelCase<PullArgs>, context: CliContext): Promise<number> {
  const { output, env, cwd } = context
  const [hubTools, { modelDir }, { defaultCacheDir }] = await Promise.all([
    import('@asr-cluster/tools/hub'),
    import('@asr-cluster/tools/store'),
    import('@asr-cluster/asr-instance'),
  ])
  const hub = new hubTools.HubConnection(hubTools.hubOptions(env))
  const dir = args.dir === undefined ? modelDir(args.model, env) : resolve(cwd, args.dir)
  // What goes on is for people; the outcome alone is for a program.
  const said = args.json ? { ...output, print: output.complain } : output
  const liveLine = createLiveLine(process.stderr)
  try {
    const { record, quantization } = await hubTools.pullAndCompile(
      {
        id: args.model,
        revision: args.revision,
        dir,
        quantization: args.quantization,
        cacheDir: defaultCacheDir(env),
      },
      {
        hub,
        progress: hubTools.createPullProgress(said, liveLine, () => performance.now()),
        sleep: (ms) => sleep(ms),
        random: Math.random,
        now: () => new Date(),
      },
    )
    if (args.json) output.print(JSON.stringify({ ...record, dir, quantization }))
    else {
      const start = `asr-cluster up --model ${args.dir === undefined ? args.model : dir}`
      output.print(`${styled(output, 'green', 'ready')} in ${dir} (${quantization}); start it with: ${start}`)
    }
    return cliExit.ok
  } finally {
    liveLine.clear()
    await hub.close()
  }
}
