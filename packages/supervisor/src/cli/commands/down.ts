import { setTimeout as sleep } from 'node:timers/promises'
import type { Argv } from 'yargs'
import { readProcess } from '../../process/process-table.js'
import { connectToCluster, reportOutcome, runOperation, withPort } from '../client-options.js'
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
      const outcome = await runOperation(client, 'down', {}, args.json ? () => {} : context.output.print)
      if (outcome.ok) await waitForEnd(supervisor.pid)
      return reportOutcome(outcome.ok ? { ...outcome, message: 'stopped' } : outcome, args.json, context)
    } finally {
      await client.close()
    }
  },
}

/** The answer comes before the supervisor's own end; a script may want to start the next one at once. */
async function waitForEnd(pid: number): Promise<void> {
  const deadline = performance.now() + lastMomentsMs
  const isAlive = (): boolean => {
    const info = readProcess(pid)
    return info !== null && info.state !== 'Z'
  }
  while (isAlive() && performance.now() < deadline) await sleep(10)
}
