import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { controlSocketPath, findCluster, stateDir } from '@asr-cluster/supervisor'
import type { ClusterConfigInput, ListeningSocket } from '@asr-cluster/supervisor'
import type { ClusterStatus } from '@asr-cluster/protocol'
import { binOf, runProgram, startCommand } from './program.js'
import type { Program, ProgramExit, ProgramOptions } from './program.js'
import { readStatus } from './read-status.js'
import { waitFor } from './wait-for.js'

export interface ClusterOptions {
  /** Written to a file as it is; without a port any free one is taken. */
  config?: ClusterConfigInput
  /** Added to the command line of `up`. */
  flags?: readonly string[]
  env?: Readonly<Record<string, string>>
  deadlineMs?: number
  /** Resolve before it serves, to look at how it starts. */
  dontWait?: boolean
  /** Handed over as systemd does. */
  socket?: ListeningSocket
}

/** A real cluster, started with `asr-cluster up` on free ports, with state and logs of its own. */
export interface TestCluster extends AsyncDisposable {
  /** The supervisor. */
  readonly program: Program
  /** Working folder; holds `asr-cluster.yaml` and `logs`. */
  readonly dir: string
  /** Base URL of the balancer; empty with `dontWait`. */
  readonly url: string
  readonly port: number
  /** Runs another `asr-cluster` command against this cluster. */
  cli(...args: string[]): Promise<ProgramExit & { stdout: string; stderr: string }>
  status(): Promise<ClusterStatus>
  /** Polls the status until `condition` holds, and returns it. */
  statusWhen(
    what: string,
    condition: (status: ClusterStatus) => boolean,
    deadlineMs?: number,
  ): Promise<ClusterStatus>
  /** Pid of an instance, or of the balancer. Throws when it has none. */
  pidOf(id: string): Promise<number>
  writeConfig(config: ClusterConfigInput): void
}

export async function startCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  const dir = mkdtempSync(join(tmpdir(), 'asr-cluster-test-'))
  const runtimeDir = join(dir, 'run')
  mkdirSync(runtimeDir, { mode: 0o700 })
  const configFile = join(dir, 'asr-cluster.yaml')
  const writeConfig = (config: ClusterConfigInput): void =>
    writeFileSync(configFile, JSON.stringify(withFreePorts(config)))
  writeConfig(options.config ?? {})
  const env = { ...options.env, XDG_RUNTIME_DIR: runtimeDir }
  const program = startUp(options.flags ?? [], options.socket, {
    env,
    cwd: dir,
    ...(options.deadlineMs === undefined ? {} : { deadlineMs: options.deadlineMs }),
  })
  const dispose = async (): Promise<void> => {
    await program[Symbol.asyncDispose]()
    rmSync(dir, { recursive: true, force: true })
  }
  let url = ''
  try {
    if (!options.dontWait) url = (await program.printed(/serving on (https?:\/\/\S+)/))[1] as string
  } catch (error) {
    await dispose()
    throw error
  }
  const cli: TestCluster['cli'] = (...args) => runClient(args, { env, cwd: dir })
  const status = async (): Promise<ClusterStatus> => {
    const state = stateDir(env)
    // Its folder is its own, so that there is no other; with `dontWait` the port is not known.
    return readStatus(controlSocketPath(state, await findCluster(state, undefined, 0)))
  }
  const statusWhen: TestCluster['statusWhen'] = (what, condition, deadlineMs = 30_000) =>
    waitFor(
      async () => {
        const now = await status()
        return condition(now) ? now : null
      },
      { what, deadlineMs, context: program.output },
    )
  return {
    program,
    dir,
    url,
    port: url === '' ? 0 : Number(new URL(url).port),
    cli,
    status,
    statusWhen,
    async pidOf(id) {
      const { balancer, instances } = await status()
      const pid = id === 'balancer' ? balancer.pid : instances.find((instance) => instance.id === id)?.pid
      if (!pid) throw new Error(`${id} has no process`)
      return pid
    },
    writeConfig,
    [Symbol.asyncDispose]: dispose,
  }
}

/** `asr-cluster up`; with a socket as systemd would start it. */
export function startUp(
  flags: readonly string[],
  socket: ListeningSocket | undefined,
  options: ProgramOptions,
): Program {
  const args = [binOf('asr-cluster'), 'up', ...flags]
  if (socket === undefined) return startCommand(process.execPath, args, options)
  // LISTEN_PID is the pid of the program itself.
  const script = 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@"'
  return startCommand('/bin/sh', ['-c', script, process.execPath, ...args], {
    ...options,
    inheritFds: [socket.fd],
  })
}

function runClient(
  args: readonly string[],
  options: { env: Readonly<Record<string, string>>; cwd: string },
): ReturnType<typeof runProgram> {
  return runProgram(binOf('asr-cluster'), { args, ...options, deadlineMs: 60_000 })
}

/** Tests run beside each other and beside real clusters: no fixed port unless the test names one. */
function withFreePorts(config: ClusterConfigInput): ClusterConfigInput {
  return {
    ...config,
    balancer: { port: 0, ...config.balancer },
    groups: (config.groups ?? [{}]).map((group) => ({ basePort: 0, ...group })),
  }
}
