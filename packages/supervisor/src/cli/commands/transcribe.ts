import type { ArgumentsCamelCase, Argv } from 'yargs'
import { createLiveLine } from '@asr-cluster/tools/common'
import type { LiveLine } from '@asr-cluster/tools/common'
import type { Transcriber, TranscriptFormat } from '@asr-cluster/tools/transcribe'
import { apiKey, clusterUrl, withUrl } from '../cluster-url.js'
import type { CliContext, Command } from '../context.js'
import { cliExit, UsageError } from '../exit-codes.js'
import { checkLocal, localEngineOptions, withLocal } from '../local-model.js'
import type { LocalArgs } from '../local-model.js'
import { checkWholeNumber } from '../command-line.js'

interface TranscribeArgs extends LocalArgs {
  files: string[]
  language: string
  format: TranscriptFormat
  prompt: string
  outputDir: string | undefined
  concurrency: number
}

export const transcribeCommand: Command<TranscribeArgs> = {
  command: 'transcribe <files..>',
  describe: 'Turn recordings into text, on a running cluster or without one (--local)',
  builder: (argv: Argv) =>
    withLocal(withUrl(argv))
      .positional('files', { type: 'string', array: true, demandOption: true, describe: 'Recordings' })
      .option('language', { alias: 'l', type: 'string', default: 'auto', describe: 'Name or code' })
      .option('format', {
        choices: ['text', 'json', 'verbose_json', 'srt', 'vtt'] as const,
        default: 'text' as const,
        describe: 'Shape of the transcript',
      })
      .option('prompt', { type: 'string', default: '', describe: 'Context: names, terms, a topic' })
      .option('output-dir', { alias: 'o', type: 'string', describe: 'Write one file per recording there' })
      .option('concurrency', {
        type: 'number',
        default: 4,
        describe: 'Recordings sent at once',
      }) as unknown as Argv<TranscribeArgs>,
  run: transcribe,
}

async function transcribe(args: ArgumentsCamelCase<TranscribeArgs>, context: CliContext): Promise<number> {
  checkWholeNumber('concurrency', args.concurrency, { min: 1 })
  checkLocal(args)
  if (args.files.includes('-')) {
    throw new UsageError('standard input is not read: name a file (`./-` for one of that name)')
  }
  const { transcribeFiles } = await import('@asr-cluster/tools/transcribe')
  const liveLine = createLiveLine(process.stderr)
  const failed = await transcribeFiles(
    { ...args, outputDir: args.outputDir ?? null, cwd: context.cwd },
    { output: context.output, liveLine, open: () => open(args, context, liveLine) },
  )
  return failed === 0 ? cliExit.ok : cliExit.failed
}

async function open(args: TranscribeArgs, context: CliContext, liveLine: LiveLine): Promise<Transcriber> {
  const { clusterTranscriber, localTranscriber } = await import('@asr-cluster/tools/transcribe')
  if (args.local) {
    const transcriber = await localTranscriber(await localEngineOptions(args, context, liveLine))
    liveLine.clear()
    return transcriber
  }
  return clusterTranscriber({
    baseUrl: await clusterUrl(args, context),
    apiKey: apiKey(context.env),
    modelName: args.model,
    concurrency: args.concurrency,
  })
}
