import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ControlClient, controlSocketPath } from '@asr-cluster/supervisor'
import type { ClusterConfigInput } from '@asr-cluster/supervisor'
import type { ClusterStatus } from '@asr-cluster/protocol'
import { fixtures, supervisorProgram } from './fixtures.js'
import { startProgram } from './program.js'
import type { Program } from './program.js'
import { readStatus } from './read-status.js'
import { waitFor } from './wait-for.js'

/** The real supervisor over programs that have no model and misbehave as told. Its output is one event per line. */
export interface FakeCluster extends AsyncDisposable {
  readonly program: Program
  readonly url: string
  readonly port: number
  readonly dir: string
  status(): Promise<ClusterStatus>
  statusWhen(what: string, condition: (status: ClusterStatus) => boolean): Promise<ClusterStatus>
  /** Runs an operation to its end and returns the last line of the answer. */
  operate(name: string, body?: object): Promise<unknown>
  events(): Record<string, unknown>[]
}

export async function startFakeCluster(
  config: ClusterConfigInput,
  env: Readonly<Record<string, string>> = {},
): Promise<FakeCluster> {
  const dir = mkdtempSync(join(tmpdir(), 'fake-cluster-'))
  const stateDir = join(dir, 'state')
  mkdirSync(stateDir, { mode: 0o700 })
  const full: ClusterConfigInput = {
    ...config,
    balancer: { port: 0, ...config.balancer },
    groups: (config.groups ?? [{}]).map((group) => ({ basePort: 0, ...group })),
    supervisor: { ...config.supervisor, logs: { dir: join(dir, 'logs'), ...config.supervisor?.logs } },
  }
  const program = startProgram(supervisorProgram, {
    args: [JSON.stringify(full), stateDir, fixtures],
    env,
    cwd: dir,
  })
  const dispose = async (): Promise<void> => {
    await program[Symbol.asyncDispose]()
    rmSync(dir, { recursive: true, force: true })
  }
  let port: number
  try {
    port = Number((await program.printed(/"type":"port","port":(\d+)/))[1])
  } catch (error) {
    await dispose()
    throw error
  }
  const socketPath = controlSocketPath(stateDir, port)
  const status = (): Promise<ClusterStatus> => readStatus(socketPath)
  return {
    program,
    url: `http://127.0.0.1:${port}`,
    port,
    dir,
    status,
    statusWhen: (what, condition) =>
      waitFor(
        async () => {
          const now = await status()
          return condition(now) ? now : null
        },
        { what, context: program.output },
      ),
    async operate(name, body = {}) {
      const client = new ControlClient(socketPath)
      let last: unknown
      try {
        for await (const line of client.stream('POST', `/${name}`, body)) last = line
      } finally {
        await client.close()
      }
      return last
    },
    events: () =>
      program
        .stdout()
        .split('\n')
        .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : [])),
    [Symbol.asyncDispose]: dispose,
  }
}
