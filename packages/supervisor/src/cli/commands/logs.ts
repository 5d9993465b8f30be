import type { Argv } from 'yargs'
import { formatLogText } from '@asr-cluster/protocol/log-text'
import { loadLogsDir } from '../../config/load-config.js'
import { NotRunningError } from '../../control/find-cluster.js'
import { logFolderOf } from '../../logs/claim-folder.js'
import { listLogs, readMergedTail } from '../../logs/read-tail.js'
import type { TaggedLine } from '../../logs/read-tail.js'
import { abortOnEnd } from '../abort-on-end.js'
import { connectToCluster, withPort } from '../client-options.js'
import type { PortArgs } from '../client-options.js'
import type { CliContext, Command } from '../context.js'
import { cliExit, UsageError } from '../exit-codes.js'
import { styled } from '../output.js'

interface LogsArgs extends PortArgs {
  id: string | undefined
  follow: boolean
  lines: number
  json: boolean
  config: string | undefined
}

export const logsCommand: Command<LogsArgs> = {
  command: 'logs [id]',
  describe: 'Show the logs of all programs merged by time, or of one',
  builder: (argv: Argv) =>
    withPort(argv)
      .positional('id', { type: 'string', describe: 'An instance, `balancer` or `supervisor`' })
      .option('follow', { alias: 'f', type: 'boolean', default: false, describe: 'Go on until Ctrl-C' })
      .option('lines', { alias: 'n', type: 'number', default: 100, describe: 'How many lines of the past' })
      .option('json', { type: 'boolean', default: false, describe: 'Print each line as JSON' })
      .option('config', {
        alias: 'c',
        type: 'string',
        describe: 'Names the folder of the logs when no cluster runs',
      }) as unknown as Argv<LogsArgs>,
  async run(args, context) {
    if (!Number.isInteger(args.lines) || args.lines < 0)
      throw new UsageError('--lines must be a whole number')
    try {
      return await showLive(args, context)
    } catch (error) {
      // What a dead cluster wrote is what one looks for after it died.
      if (!(error instanceof NotRunningError) || args.follow) throw error
      return showFiles(args, context)
    }
  },
}

async function showLive(args: LogsArgs, context: CliContext): Promise<number> {
  const client = await connectToCluster(args, context)
  const abort = new AbortController()
  const release = abortOnEnd(abort)
  try {
    const query = new URLSearchParams({ lines: String(args.lines), follow: args.follow ? '1' : '0' })
    if (args.id !== undefined) query.set('id', args.id)
    for await (const raw of client.stream('GET', `/logs?${query.toString()}`, {}, abort.signal)) {
      const line = raw as TaggedLine | { error: string } | { dropped: number }
      if ('error' in line) throw new Error(line.error)
      if ('dropped' in line) {
        context.output.complain(`${line.dropped} lines were left out: they came faster than they were read`)
        continue
      }
      show(line, args, context)
    }
    return cliExit.ok
  } catch (error) {
    if (abort.signal.aborted) return cliExit.ok
    throw error
  } finally {
    release()
    await client.close()
  }
}

function showFiles(args: LogsArgs, context: CliContext): number {
  const dir = logFolderOf(loadLogsDir({ file: args.config, cwd: context.cwd }), args.port)
  const known = listLogs(dir)
  if (args.id !== undefined && !known.includes(args.id)) throw new Error(`no log of \`${args.id}\` in ${dir}`)
  for (const line of readMergedTail(dir, args.id === undefined ? known : [args.id], args.lines)) {
    show(line, args, context)
  }
  return cliExit.ok
}

function show(line: TaggedLine, args: LogsArgs, { output }: CliContext): void {
  if (args.json) output.print(JSON.stringify(line))
  else if (args.id !== undefined) output.print(formatLogText(line.text))
  else
    output.print(
      `${styled(output, 'gray', line.time.slice(11, 23))} ${styled(output, 'cyan', line.id)} ${formatLogText(line.text)}`,
    )
}
