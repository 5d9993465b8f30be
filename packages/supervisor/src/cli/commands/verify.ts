import { resolve } from 'node:path'
import type { ArgumentsCamelCase, Argv } from 'yargs'
import type { CheckResult } from '@asr-cluster/tools/verify'
import { installationRoot } from '../../config/load-config.js'
import { apiKey, clusterUrl, withUrl } from '../cluster-url.js'
import type { UrlArgs } from '../cluster-url.js'
import type { CliContext, Command } from '../context.js'
import { cliExit, UsageError } from '../exit-codes.js'
import { styled } from '../output.js'
import { supervisorOf } from '../supervisor-of.js'

interface VerifyArgs extends UrlArgs {
  audio: string | undefined
  text: string | undefined
  json: boolean
}

/** What examples/hello.wav says. */
const helloText = 'Welcome to the cluster.'

export const verifyCommand: Command<VerifyArgs> = {
  command: 'verify',
  describe: 'Check a running cluster: processes, ports, balancing, a transcription, metrics',
  builder: (argv: Argv) =>
    withUrl(argv)
      .option('audio', { type: 'string', describe: 'Recording to transcribe  [default: examples/hello.wav]' })
      .option('text', { type: 'string', describe: 'What --audio says' })
      .option('json', {
        type: 'boolean',
        default: false,
        describe: 'Print as JSON',
      }) as unknown as Argv<VerifyArgs>,
  run: runVerify,
}

async function runVerify(args: ArgumentsCamelCase<VerifyArgs>, context: CliContext): Promise<number> {
  if ((args.audio === undefined) !== (args.text === undefined)) {
    throw new UsageError('--audio and --text belong together: what is heard is compared with what was said')
  }
  const { verify } = await import('@asr-cluster/tools/verify')
  const client = await supervisorOf(args, context)
  const key = apiKey(context.env)
  const results: CheckResult[] = []
  try {
    const checks = verify({
      target: {
        baseUrl: await clusterUrl(args, context),
        headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
      },
      recording:
        args.audio === undefined
          ? { path: resolve(installationRoot, 'examples/hello.wav'), text: helloText }
          : { path: resolve(context.cwd, args.audio), text: args.text ?? '' },
      readStatus: client === null ? null : () => client.status(),
      isAlive,
    })
    for await (const result of checks) {
      results.push(result)
      if (!args.json) show(result, context)
    }
  } finally {
    await client?.close()
  }
  const isGood = results.every(({ ok }) => ok)
  if (args.json) context.output.print(JSON.stringify({ ok: isGood, checks: results }))
  return isGood ? cliExit.ok : cliExit.failed
}

function show({ name, ok, detail }: CheckResult, { output }: CliContext): void {
  output.print(`${ok ? styled(output, 'green', '✓') : styled(output, 'red', '✗')} ${name}: ${detail}`)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Of another user, but there.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
