import type { Argv } from 'yargs'
import { waitForEnd } from '../../process/wait-for-end.js'
import { connectToCluster, operationSay, reportOutcome, runOperation, withPort } from '../client-options.js'
import type { PortArgs } from '../client-options.js'
import type { Command } from '../context.js'

interface DownArgs extends PortArgs {
  json: boolean
}

const lastMomentsMs = 5_000

export const downCommand: Command<DownArgs> = {
  command: 'down',
  describe: 'Drain and stop a running cluster',
  builder: (argv: Argv) =>
    withPort(argv).option('json', { type: 'boolean', default: false, describe: 'Print the outcome as JSON' }),
  async run(args, context) {
    const client = await connectToCluster(args, context)
    try {
      const { supervisor } = await client.status()
      const outcome = await runOperation(client, 'down', {}, operationSay(args.json, context))
      // The answer comes before the supervisor's own end; a script may want to start the next one at once.
      if (outcome.ok) await waitForEnd(supervisor.pid, lastMomentsMs)
      return reportOutcome(outcome.ok ? { ...outcome, message: 'stopped' } : outcome, args.json, context)
    } finally {
      await client.close()
    }
  },
}
