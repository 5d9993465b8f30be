import { resolve } from 'node:path'
import type { ArgumentsCamelCase, Argv } from 'yargs'
import { createLiveLine, formatPercent } from '@asr-cluster/tools/common'
import type { LiveLine } from '@asr-cluster/tools/common'
import type { Recogniser } from '@asr-cluster/tools/evaluate'
import { apiKey, clusterUrl, withUrl } from '../cluster-url.js'
import type { CliContext, Command } from '../context.js'
import { cliExit, UsageError } from '../exit-codes.js'
import { checkLocal, localEngineOptions, withLocal } from '../local-model.js'
import type { LocalArgs } from '../local-model.js'
import { readTextFile } from '../read-text-file.js'
import { checkWholeNumber } from '../command-line.js'

interface EvalArgs extends LocalArgs {
  manifest: string
  concurrency: number
  hint: boolean
  lowPriority: boolean
  worst: number
  limit: number | undefined
  maxWer: string | undefined
  json: boolean
}

export const evalCommand: Command<EvalArgs> = {
  command: 'eval <manifest>',
  describe: 'Word and character error rate on lines of {"audio", "text", "language"}',
  builder: (argv: Argv) =>
    withLocal(withUrl(argv))
      .positional('manifest', { type: 'string', demandOption: true, describe: 'JSON lines' })
      .option('concurrency', { type: 'number', default: 4, describe: 'Recordings sent at once' })
      .option('hint', {
        type: 'boolean',
        default: false,
        describe: 'Tell the model the language of each line',
      })
      .option('low-priority', {
        type: 'boolean',
        default: false,
        describe: 'Give way to all other requests of the cluster',
      })
      .option('worst', { type: 'number', default: 10, describe: 'How many bad clips to show' })
      .option('limit', { type: 'number', describe: 'Only the first lines' })
      .option('max-wer', { type: 'string', describe: 'End with 1 above this word error rate: 0.15 or 15%' })
      .option('json', {
        type: 'boolean',
        default: false,
        describe: 'Print as JSON',
      }) as unknown as Argv<EvalArgs>,
  run: runEval,
}

async function runEval(args: ArgumentsCamelCase<EvalArgs>, context: CliContext): Promise<number> {
  const { output, cwd } = context
  checkLocal(args)
  checkWholeNumber('concurrency', args.concurrency, { min: 1 })
  checkWholeNumber('worst', args.worst)
  if (args.limit !== undefined) checkWholeNumber('limit', args.limit, { min: 1 })
  const maxWer = args.maxWer === undefined ? null : parseRate(args.maxWer)
  const [tools, { parseLanguage }] = await Promise.all([
    import('@asr-cluster/tools/evaluate'),
    import('@asr-cluster/asr-instance'),
  ])
  const path = resolve(cwd, args.manifest)
  const clips = tools.parseManifest(await readTextFile(path), path, args.manifest)
  const liveLine = createLiveLine(process.stderr)
  await using recogniser = await open(args, context, liveLine)
  const evaluation = await tools.evaluate({
    clips: clips.slice(0, args.limit),
    recogniser,
    hint: args.hint,
    nameOf: (text) => nameLanguage(text, parseLanguage),
    liveLine,
    nowMs: () => performance.now(),
  })
  if (args.json) output.print(JSON.stringify(tools.evaluationJson(evaluation)))
  else for (const line of tools.formatEvaluation(evaluation, args.worst)) output.print(line)
  const failed = evaluation.clips.filter(({ error }) => error !== null)
  for (const { clip, error } of failed) output.complain(`${clip.audio}: ${error}`)
  const wer = evaluation.all.wer ?? 0
  const isTooHigh = maxWer !== null && wer > maxWer
  if (isTooHigh)
    output.complain(`asr-cluster: the word error rate ${formatPercent(wer)} is above ${args.maxWer}`)
  return failed.length > 0 || isTooHigh ? cliExit.failed : cliExit.ok
}

async function open(args: EvalArgs, context: CliContext, liveLine: LiveLine): Promise<Recogniser> {
  const { clusterRecogniser, localRecogniser } = await import('@asr-cluster/tools/evaluate')
  if (args.local) return localRecogniser(await localEngineOptions(args, context, liveLine))
  return clusterRecogniser({
    baseUrl: await clusterUrl(args, context),
    apiKey: apiKey(context.env),
    modelName: args.model,
    concurrency: args.concurrency,
    lowPriority: args.lowPriority,
  })
}

/** `0.15` or `15%` → 0.15; above 1 only as a percentage, because `5` is meant as `5%`. Throws UsageError. */
function parseRate(text: string): number {
  const match = /^(\d+(?:\.\d+)?)( ?%)?$/.exec(text)
  const rate = match?.[2] === undefined ? Number(match?.[1]) : Number(match[1]) / 100
  if (!match || (rate > 1 && match[2] === undefined)) {
    throw new UsageError(`--max-wer: expected a rate such as 0.15 or 15%, got \`${text}\``)
  }
  return rate
}

function nameLanguage(text: string, parseLanguage: (text: string) => string | null): string {
  try {
    return parseLanguage(text) ?? text
  } catch {
    return text
  }
}
