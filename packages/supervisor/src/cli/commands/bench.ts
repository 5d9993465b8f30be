import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ArgumentsCamelCase, Argv } from 'yargs'
import { parseDurationMs } from '@asr-cluster/protocol'
import { createLiveLine } from '@asr-cluster/tools/common'
import type { Arrivals } from '@asr-cluster/tools/bench'
import { apiKey, clusterUrl, withUrl } from '../cluster-url.js'
import type { UrlArgs } from '../cluster-url.js'
import type { CliContext, Command } from '../context.js'
import { checkWritable } from '../check-writable.js'
import { checkWholeNumber } from '../command-line.js'
import { cliExit, UsageError } from '../exit-codes.js'
import { readTextFile } from '../read-text-file.js'

interface BenchArgs extends UrlArgs {
  audio: string
  concurrency: number | undefined
  requests: number | undefined
  rate: number | undefined
  duration: string | undefined
  arrivals: Arrivals
  seed: number
  warmUp: number | undefined
  timeout: string
  language: string
  model: string | undefined
  json: string | undefined
  compare: string | undefined
}

export const benchCommand: Command<BenchArgs> = {
  command: 'bench',
  describe: 'Load test: latency, throughput, failures, and how the instances share the work',
  builder: (argv: Argv) =>
    withUrl(argv)
      .option('audio', { type: 'string', demandOption: true, describe: 'A recording, or a folder of them' })
      .option('concurrency', {
        alias: 'c',
        type: 'number',
        describe: 'Clients that wait for their answer  [default: 4]',
      })
      .option('requests', { alias: 'n', type: 'number', describe: 'How many in all  [default: 100]' })
      .option('rate', { type: 'number', describe: 'Requests per second, however slow the answers are' })
      .option('duration', { type: 'string', describe: 'For so long, for example 30s' })
      .option('arrivals', {
        choices: ['poisson', 'constant'] as const,
        default: 'poisson' as const,
        describe: 'With --rate: how the requests are spread',
      })
      .option('seed', {
        type: 'number',
        default: 1,
        describe: 'With --rate: the same gaps for the same seed',
      })
      .option('warm-up', {
        type: 'number',
        describe: 'Requests before, not counted  [default: 2 per client]',
      })
      .option('timeout', {
        type: 'string',
        default: '300s',
        describe: 'Silence after which a request has failed',
      })
      .option('language', { type: 'string', default: 'auto', describe: 'Name or code' })
      .option('model', { type: 'string', describe: 'Name of one of the models' })
      .option('json', { type: 'string', describe: 'Write the result to this file' })
      .option('compare', {
        type: 'string',
        describe: 'Show the change from such a file',
      }) as unknown as Argv<BenchArgs>,
  run: runBench,
}

async function runBench(args: ArgumentsCamelCase<BenchArgs>, context: CliContext): Promise<number> {
  const { output, cwd, env } = context
  const tools = await import('@asr-cluster/tools/bench')
  // Whatever can be wrong is looked at before the load.
  const durationMs = args.duration === undefined ? undefined : parseDuration('duration', args.duration)
  const plan = tools.planLoad({ ...args, ratePerSecond: args.rate, durationMs })
  const timeoutMs = parseDuration('timeout', args.timeout)
  if (timeoutMs === 0) throw new UsageError('--timeout must be longer than 0')
  if (args.warmUp !== undefined) checkWholeNumber('warmUp', args.warmUp)
  checkWholeNumber('seed', args.seed, { max: 2 ** 32 - 1 })
  const resultPath = args.json === undefined ? null : resolve(cwd, args.json)
  if (resultPath !== null) await checkWritable(resultPath)
  const before =
    args.compare === undefined
      ? null
      : tools.parseResult(await readTextFile(resolve(cwd, args.compare)), args.compare)
  const url = await clusterUrl(args, context)
  const clips = await tools.loadClips(resolve(cwd, args.audio), formFields(args))
  const nowMs = (): number => performance.now()
  const sender = tools.createSender({
    baseUrl: url,
    apiKey: apiKey(env),
    model: args.model,
    timeoutMs,
    nowMs,
  })
  const interrupt = new AbortController()
  const onSignal = (): void => interrupt.abort()
  process.once('SIGINT', onSignal)
  try {
    const result = await tools.bench(
      {
        url,
        audioPath: args.audio,
        clips,
        plan,
        warmUpRequests: args.warmUp ?? (plan.kind === 'closed' ? 2 * plan.concurrency : 8),
      },
      {
        sender,
        liveLine: createLiveLine(process.stderr),
        nowMs,
        now: () => new Date(),
        sleep: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => {}),
        random: tools.seededRandom(args.seed),
        signal: interrupt.signal,
      },
    )
    for (const line of tools.formatResult(result)) output.print(line)
    if (before !== null)
      for (const line of ['', ...tools.formatComparison(before, result)]) output.print(line)
    if (resultPath !== null) await writeFile(resultPath, `${JSON.stringify(result, null, 2)}\n`)
    return result.interrupted || result.succeeded < result.requests ? cliExit.failed : cliExit.ok
  } finally {
    process.off('SIGINT', onSignal)
    await sender.close()
  }
}

function formFields({ language, model }: BenchArgs): Record<string, string> {
  return {
    response_format: 'json',
    ...(language === 'auto' ? {} : { language }),
    ...(model === undefined ? {} : { model }),
  }
}

/** `30s`, `2m`, or a plain number of seconds. */
function parseDuration(flag: string, text: string): number {
  try {
    return parseDurationMs(/^\d+(\.\d+)?$/.test(text) ? `${text}s` : text)
  } catch (error) {
    throw new UsageError(`--${flag}: ${(error as Error).message}`)
  }
}
