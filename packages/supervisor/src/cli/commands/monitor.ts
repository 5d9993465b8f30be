import { setTimeout as sleep } from 'node:timers/promises'
import type { ArgumentsCamelCase, Argv } from 'yargs'
import { parseDurationMs } from '@asr-cluster/protocol'
import type { ControlClient } from '../../control/control-client.js'
import { apiKey, clusterUrl, withUrl } from '../cluster-url.js'
import type { UrlArgs } from '../cluster-url.js'
import type { CliContext, Command } from '../context.js'
import { cliExit, UsageError } from '../exit-codes.js'
import { checkWholeNumber } from '../command-line.js'
import { supervisorOf } from '../supervisor-of.js'

interface MonitorArgs extends UrlArgs {
  interval: string
  count: number | undefined
  json: boolean
}

export const monitorCommand: Command<MonitorArgs> = {
  command: 'monitor',
  describe: 'Live view: instances, rates, latency, queue, load, GPUs; q ends it',
  builder: (argv: Argv) =>
    withUrl(argv)
      .option('interval', { type: 'string', default: '1s', describe: 'Between two views' })
      .option('count', { alias: 'n', type: 'number', describe: 'End after so many views' })
      .option('json', {
        type: 'boolean',
        default: false,
        describe: 'One line of JSON per view',
      }) as unknown as Argv<MonitorArgs>,
  run: runMonitor,
}

async function runMonitor(args: ArgumentsCamelCase<MonitorArgs>, context: CliContext): Promise<number> {
  if (args.count !== undefined) checkWholeNumber('count', args.count, { min: 1 })
  const intervalMs = parseInterval(args.interval)
  // What may fail comes before the terminal is changed.
  const url = await clusterUrl(args, context)
  const client = await supervisorOf(args, context)
  try {
    return await show(args, { context, url, client, intervalMs })
  } finally {
    await client?.close()
  }
}

interface Shown {
  context: CliContext
  url: string
  /** Null without a supervisor. */
  client: ControlClient | null
  intervalMs: number
}

async function show(
  args: ArgumentsCamelCase<MonitorArgs>,
  { context, url, client, intervalMs }: Shown,
): Promise<number> {
  const tools = await import('@asr-cluster/tools/monitor')
  const key = apiKey(context.env)
  const { output } = context
  const isTerminal = process.stdout.isTTY && !args.json
  const stop = new AbortController()
  const release = stopOnRequest(stop)
  const screen = isTerminal
    ? tools.openTerminal(process.stdout, { keepsLast: args.count !== undefined })
    : tools.plainScreen(output.print)
  try {
    const views = tools.monitor({
      source: {
        baseUrl: url,
        headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
        readStatus: client === null ? null : () => client.status(),
        nowMs: () => performance.now(),
      },
      intervalMs,
      count: args.count ?? Infinity,
      sleep: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => {}),
      signal: stop.signal,
    })
    for await (const view of views) {
      if (args.json) output.print(JSON.stringify(view))
      else
        screen.show(
          tools.render(view, url, {
            columns: screen.columns,
            rows: screen.rows,
            hasColours: output.isTerminal,
          }),
        )
    }
    return cliExit.ok
  } finally {
    screen.close()
    release()
  }
}

/** Ctrl-C, `q`, or a reader that went away. Returns what undoes it. */
function stopOnRequest(stop: AbortController): () => void {
  const { stdin, stdout } = process
  const end = (): void => stop.abort()
  const onKey = (key: Buffer): void => {
    // In raw mode Ctrl-C is a key like any other.
    if (['q', 'Q', '\u0003'].includes(key.toString())) end()
  }
  const hasKeys = stdin.isTTY && stdout.isTTY
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, end)
  stdout.once('error', end)
  if (hasKeys) stdin.setRawMode(true).on('data', onKey).resume()
  return () => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, end)
    stdout.off('error', end)
    if (hasKeys) stdin.setRawMode(false).off('data', onKey).pause()
  }
}

function parseInterval(text: string): number {
  try {
    return parseDurationMs(text)
  } catch (error) {
    throw new UsageError(`--interval: ${(error as Error).message}`)
  }
}
