import type { Argv } from 'yargs'
import { balancerConfigSchema } from '@asr-cluster/protocol'
import type { ControlClient, ControlLine } from '../control/control-client.js'
import { findCluster } from '../control/find-cluster.js'
import { controlSocketPath, trustedStateDir } from '../control/state-dir.js'
import { cliExit } from './exit-codes.js'
import type { CliContext } from './context.js'

export interface PortArgs {
  port: number | undefined
}

export function withPort<T>(argv: Argv<T>): Argv<T & PortArgs> {
  return argv.option('port', {
    type: 'number',
    describe: 'Port of the cluster to talk to; without it 7860, or the only one that runs',
  }) as Argv<T & PortArgs>
}

const defaultPort = balancerConfigSchema.parse({}).port

/** Port and control socket of a running cluster of this user. Throws NotRunningError, and for a folder of somebody else. */
export async function findOwnCluster(
  { port }: PortArgs,
  env: NodeJS.ProcessEnv,
): Promise<{ port: number; socketPath: string }> {
  const dir = trustedStateDir(env)
  const found = await findCluster(dir, port, defaultPort)
  // It may have come into being only after the first look.
  trustedStateDir(env)
  return { port: found, socketPath: controlSocketPath(dir, found) }
}

/** Connects to a running cluster. Throws as findOwnCluster does. */
export async function connectToCluster(args: PortArgs, context: CliContext): Promise<ControlClient> {
  const { socketPath } = await findOwnCluster(args, context.env)
  // Loaded when needed: the HTTP client takes 10 MB that the supervisor, which is this program too, can do without.
  const { ControlClient } = await import('../control/control-client.js')
  return new ControlClient(socketPath)
}

export interface OperationOutcome {
  ok: boolean
  message?: string
  data?: unknown
}

/** Runs an operation of the supervisor, prints what it says, and returns how it ended. */
export async function runOperation(
  client: ControlClient,
  name: string,
  body: object,
  say: (line: string, waits: boolean) => void,
): Promise<OperationOutcome> {
  for await (const raw of client.stream('POST', `/${name}`, body)) {
    const line = raw as ControlLine
    if ('line' in line) say(line.line, line.waits === true)
    else if ('done' in line) return line
  }
  return { ok: false, message: 'the supervisor went away before it answered' }
}

/** What prints the lines of an operation. What it waits for is said on standard error, beside JSON too. */
export function operationSay(json: boolean, { output }: CliContext): (line: string, waits: boolean) => void {
  return (line, waits) => {
    if (waits) output.complain(`${line}; Ctrl-C takes this one back`)
    else if (!json) output.print(line)
  }
}

/** Prints the outcome, as JSON where asked for, and turns it into an exit code. */
export function reportOutcome(outcome: OperationOutcome, json: boolean, { output }: CliContext): number {
  if (json) output.print(JSON.stringify(outcome))
  else if (outcome.message !== undefined) (outcome.ok ? output.print : output.complain)(outcome.message)
  return outcome.ok ? cliExit.ok : cliExit.failed
}
