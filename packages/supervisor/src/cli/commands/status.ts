import type { Argv } from 'yargs'
import { connectToCluster, withPort } from '../client-options.js'
import type { PortArgs } from '../client-options.js'
import type { Command } from '../context.js'
import { cliExit } from '../exit-codes.js'
import { formatStatus } from '../format-status.js'

interface StatusArgs extends PortArgs {
  json: boolean
}

export const statusCommand: Command<StatusArgs> = {
  command: 'status',
  describe: 'Show the instances, the queue and the balancer',
  builder: (argv: Argv) =>
    withPort(argv).option('json', { type: 'boolean', default: false, describe: 'Print as JSON' }),
  async run(args, context) {
    const client = await connectToCluster(args, context)
    try {
      const status = await client.status()
      if (args.json) context.output.print(JSON.stringify(status))
      else for (const line of formatStatus(status)) context.output.print(line)
      return cliExit.ok
    } finally {
      await client.close()
    }
  },
}
