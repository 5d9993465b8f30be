import type { ArgumentsCamelCase, Argv } from 'yargs'
import { createLiveLine } from '@asr-cluster/tools/common'
import type { LiveLine } from '@asr-cluster/tools/common'
import type { Transcriber, TranscriptFormat } from '@asr-cluster/tools/transcribe'
import { apiKey, clusterUrl, withUrl } from '../cluster-url.js'
import type { UrlArgs } from '../cluster-url.js'
import type { CliContext, Command } from '../context.js'
import { cliExit, UsageError } from '../exit-codes.js'
import { runTool } from '../run-tool.js'

interface TranscribeArgs extends UrlArgs {
  files: string[]
  language: string
  format: TranscriptFormat
  prompt: string
  outputDir: string | undefined
  concurrency: number
  local: boolean
  model: string | undefined
  quantization: 'auto' | 'none' | 'int8' | 'int4'
}

export const transcribeCommand: Command<TranscribeArgs> = {
  command: 'transcribe <files..>',
  describe: 'Turn recordings into text, on a running cluster or without one (--local)',
  builder: (argv: Argv) =>
    withUrl(argv)
      .positional('files', { type: 'string', array: true, demandOption: true, describe: 'Recordings' })
      .option('language', { alias: 'l', type: 'string', default: 'auto', describe: 'Name or code' })
      .option('format', {
        choices: ['text', 'json', 'verbose_json', 'srt', 'vtt'] as const,
        default: 'text' as const,
        describe: 'Shape of the transcript',
      })
      .option('prompt', { type: 'string', default: '', describe: 'Context: names, terms, a topic' })
      .option('output-dir', { alias: 'o', type: 'string', describe: 'Write one file per recording there' })
      .option('concurrency', { type: 'number', default: 4, describe: 'Recordings sent at once' })
      .option('local', { type: 'boolean', default: false, describe: 'Load the model in this process' })
      .option('model', {
        type: 'string',
        describe: 'With --local: folder or pulled model; else the name of one of the cluster’s models',
      })
      .option('quantization', {
        choices: ['auto', 'none', 'int8', 'int4'] as const,
        default: 'auto' as const,
        describe: 'With --local: precision of the weights',
      }) as unknown as Argv<TranscribeArgs>,
  run: (args, context) => runTool(context, () => transcribe(args, context)),
}

async function transcribe(args: ArgumentsCamelCase<TranscribeArgs>, context: CliContext): Promise<number> {
  if (!Number.isInteger(args.concurrency) || args.concurrency < 1) {
    throw new UsageError('--concurrency must be a whole number from 1')
  }
  if (args.local && (args.url !== undefined || args.port !== undefined)) {
    throw new UsageError('--local needs no cluster: leave out --url and --port')
  }
  const { transcribeFiles } = await import('@asr-cluster/tools/transcribe')
  const liveLine = createLiveLine(process.stderr)
  const failed = await transcribeFiles(
    { ...args, outputDir: args.outputDir ?? null, cwd: context.cwd },
    {
      output: context.output,
      liveLine,
      open: () => (args.local ? openLocal(args, context, liveLine) : openCluster(args, context)),
    },
  )
  return failed === 0 ? cliExit.ok : cliExit.failed
}

async function openCluster(args: TranscribeArgs, context: CliContext): Promise<Transcriber> {
  const { clusterTranscriber } = await import('@asr-cluster/tools/transcribe')
  return clusterTranscriber({
    baseUrl: await clusterUrl(args, context),
    apiKey: apiKey(context.env),
    modelName: args.model,
    concurrency: args.concurrency,
  })
}

async function openLocal(
  args: TranscribeArgs,
  context: CliContext,
  liveLine: LiveLine,
): Promise<Transcriber> {
  const [{ localTranscriber }, { loadConfig }, { defaultCacheDir }] = await Promise.all([
    import('@asr-cluster/tools/transcribe'),
    import('../../config/load-config.js'),
    import('@asr-cluster/asr-instance'),
  ])
  const { config } = loadConfig({
    cwd: context.cwd,
    env: context.env,
    insecure: true,
    overrides: { model: args.model },
  })
  const transcriber = await localTranscriber({
    modelDir: config.groups[0]?.model ?? '',
    quantization: args.quantization,
    cacheDir: defaultCacheDir(context.env),
    onProgress: (text) => liveLine.show(text),
  })
  liveLine.clear()
  return transcriber
}
