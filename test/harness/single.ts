import { binOf, repositoryRoot, startProgram } from './program.js'
import type { Program, ProgramOptions } from './program.js'
import { waitFor } from './wait-for.js'

/** One of our servers, run alone as in a container. */
export interface TestServer extends AsyncDisposable {
  readonly program: Program
  readonly url: string
  readonly port: number
}

/** An asr-instance on a free port, with the demo model unless `args` name another. */
export async function startInstance(
  options: ProgramOptions & { model?: string; id?: string } = {},
): Promise<TestServer> {
  const { model = `${repositoryRoot}models/demo`, id = 'test-0', args = [], ...rest } = options
  return startServer('asr-instance', '/health', {
    ...rest,
    args: ['--model', model, '--id', id, '--port', '0', ...args],
  })
}

/** A balancer on a free port; `args` name its upstreams. */
export function startBalancer(options: ProgramOptions = {}): Promise<TestServer> {
  const { args = [], ...rest } = options
  return startServer('asr-balancer', '/healthz', { ...rest, args: ['--port', '0', ...args] })
}

async function startServer(
  name: 'asr-instance' | 'asr-balancer',
  healthPath: string,
  options: ProgramOptions,
): Promise<TestServer> {
  const program = startProgram(binOf(name), options)
  try {
    const port = await waitFor(() => listeningPort(program.stdout() + program.stderr()), {
      what: `${name} to say its port`,
      deadlineMs: 60_000,
      context: program.output,
    })
    const url = `http://127.0.0.1:${port}`
    await waitFor(async () => (await fetch(`${url}${healthPath}`)).ok, {
      what: `${url}${healthPath}`,
      deadlineMs: 60_000,
      context: program.output,
    })
    return { program, url, port, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() }
  } catch (error) {
    await program[Symbol.asyncDispose]()
    throw error
  }
}

/** Both log a JSON line once they listen; one names its port there, the other its URL. */
function listeningPort(output: string): number | null {
  const line = output.split('\n').find((text) => text.includes('"msg":"listening"'))
  const match = line === undefined ? null : /"port":(\d+)|"url":"http:[^"]*:(\d+)/.exec(line)
  return match ? Number(match[1] ?? match[2]) : null
}
