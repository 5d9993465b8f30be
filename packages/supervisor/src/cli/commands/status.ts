import { setTimeout as sleep } from 'node:timers/promises'
import type { Argv } from 'yargs'
import type { ControlClient } from '../../control/control-client.js'
import { abortOnEnd } from '../abort-on-end.js'
import { connectToCluster, withPort } from '../client-options.js'
import type { PortArgs } from '../client-options.js'
import type { CliContext, Command } from '../context.js'
import { cliExit } from '../exit-codes.js'
import { formatStatus } from '../format-status.js'

interface StatusArgs extends PortArgs {
  json: boolean
  watch: boolean
}

const watchIntervalMs = 1_000
const clearScreen = '\u001B[H\u001B[2J'

export const statusCommand: Command<StatusArgs> = {
  command: 'status',
  describe: 'Show the instances, the queue and the balancer',
  builder: (argv: Argv) =>
    withPort(argv)
      .option('json', { type: 'boolean', default: false, describe: 'Print as JSON' })
      .option('watch', {
        alias: 'w',
        type: 'boolean',
        default: false,
        describe: 'Every second, until Ctrl-C',
      }),
  async run(args, context) {
    const client = await connectToCluster(args, context)
    try {
      await (args.watch ? watch(client, args.json, context) : show(client, args.json, context))
      return cliExit.ok
    } finally {
      await client.close()
    }
  },
}

async function show(
  client: ControlClient,
  json: boolean,
  { output }: CliContext,
  prefix = '',
): Promise<void> {
  const status = await client.status()
  const lines = json ? [JSON.stringify(status)] : formatStatus(status)
  output.print(prefix + lines.join('\n'))
}

/** Throws what the client throws when the cluster goes away. */
async function watch(client: ControlClient, json: boolean, context: CliContext): Promise<void> {
  const abort = new AbortController()
  const release = abortOnEnd(abort)
  try {
    while (!abort.signal.aborted) {
      await show(client, json, context, !json && context.output.isTerminal ? clearScreen : '')
      await sleep(watchIntervalMs, undefined, { signal: abort.signal }).catch(() => {})
    }
  } finally {
    release()
  }
}
