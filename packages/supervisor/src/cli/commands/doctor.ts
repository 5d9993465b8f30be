import { readdirSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Argv } from 'yargs'
import type { ClusterFacts, PortFact } from '@asr-cluster/tools/doctor'
import { ConfigError } from '../../config/config-error.js'
import { loadConfig } from '../../config/load-config.js'
import type { ClusterConfig } from '../../config/schema.js'
import { isSocketAlive } from '../../control/find-cluster.js'
import { controlSocketPath, ensureStateDir, stateDir } from '../../control/state-dir.js'
import { memoryNeed } from '../../gpu/memory-need.js'
import { countInstances } from '../../instance/plan-instances.js'
import { probePort } from '../../process/free-port.js'
import { describePortHolder } from '../../process/process-table.js'
import { usableCores } from '../../world/machine.js'
import type { CliContext, Command } from '../context.js'
import { cliExit } from '../exit-codes.js'

interface DoctorArgs {
  config: string | undefined
  json: boolean
}

export const doctorCommand: Command<DoctorArgs> = {
  command: 'doctor',
  describe: 'Look for what is missing on this machine, and say what to do about it',
  builder: (argv: Argv) =>
    argv.option('config', { alias: 'c', type: 'string', describe: 'Configuration file' }).option('json', {
      type: 'boolean',
      default: false,
      describe: 'Print as JSON',
    }) as unknown as Argv<DoctorArgs>,
  async run(args, context) {
    const { examine, formatDiagnosis, readMachine, readRuntime } = await import('@asr-cluster/tools/doctor')
    const [machine, runtime] = await Promise.all([readMachine(context.env), readRuntime(context.cwd)])
    const cluster = await readCluster(args.config, machine.gpus.length, context)
    const diagnosis = examine({ machine, runtime, cluster })
    const { output } = context
    if (args.json) output.print(JSON.stringify(diagnosis))
    else for (const line of formatDiagnosis(diagnosis, output.isTerminal)) output.print(line)
    return diagnosis.ok ? cliExit.ok : cliExit.failed
  },
}

/** What `up` would need with this configuration. */
async function readCluster(
  file: string | undefined,
  gpuCount: number,
  context: CliContext,
): Promise<ClusterFacts> {
  const { env, cwd } = context
  try {
    const { config } = loadConfig({ file, cwd, env, insecure: true })
    const counts = config.groups.map((group) =>
      countInstances(group, { cores: usableCores(), gpus: Array.from({ length: gpuCount }) }),
    )
    const configProblems = stateDirProblems(env)
    return {
      configProblems,
      model: readModel(config, counts[0] ?? 0),
      ports: await readPorts(config, counts, configProblems.length === 0 ? stateDir(env) : null),
      folders: await readFolders(config.supervisor.logs.dir, env),
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const folders = await readFolders(resolve(cwd, 'logs'), env)
    return { configProblems: error.message.split('\n'), model: null, ports: [], folders }
  }
}

function stateDirProblems(env: NodeJS.ProcessEnv): string[] {
  try {
    ensureStateDir(stateDir(env))
    return []
  } catch (error) {
    return [`the folder of the control socket: ${(error as Error).message}`]
  }
}

function readModel({ groups }: ClusterConfig, instances: number): ClusterFacts['model'] {
  const [group] = groups
  if (!group || group.command) return null
  return {
    dir: group.model,
    weightBytes: weightBytesIn(group.model),
    quantization: group.quantization,
    device: group.device,
    instances,
    gpuBytes: group.gpus === 'none' ? null : memoryNeed(group),
  }
}

function weightBytesIn(dir: string): number {
  try {
    const weights = readdirSync(dir).filter((name) => name.endsWith('.safetensors'))
    return weights.reduce((sum, name) => sum + statSync(join(dir, name)).size, 0)
  } catch {
    return 0
  }
}

async function readPorts(
  { balancer, groups }: ClusterConfig,
  counts: readonly number[],
  socketsDir: string | null,
): Promise<PortFact[]> {
  const isOurs = socketsDir !== null && (await isSocketAlive(controlSocketPath(socketsDir, balancer.port)))
  const wanted = [
    { port: balancer.port, purpose: 'balancer' as const, host: balancer.host },
    ...groups.flatMap(({ basePort }, index) =>
      Array.from({ length: basePort === 0 ? 0 : (counts[index] ?? 0) }, (_, offset) => ({
        port: basePort + offset,
        purpose: 'instance' as const,
        host: '127.0.0.1',
      })),
    ),
  ].filter(({ port }) => port !== 0)
  const distinct = wanted.filter(
    ({ port }, index) => wanted.findIndex((other) => other.port === port) === index,
  )
  return Promise.all(
    distinct.map(async ({ port, purpose, host }) => {
      const isFree = await probePort(host, port).then(
        (free) => free !== null,
        () => false,
      )
      return { port, purpose, isOurs, holder: isFree ? null : describePortHolder(port) }
    }),
  )
}

async function readFolders(logsDir: string, env: NodeJS.ProcessEnv): Promise<ClusterFacts['folders']> {
  const [{ readFolder }, { modelStoreDir }, { defaultCacheDir }] = await Promise.all([
    import('@asr-cluster/tools/doctor'),
    import('@asr-cluster/tools/store'),
    import('@asr-cluster/asr-instance'),
  ])
  return Promise.all([
    readFolder('compiled models', defaultCacheDir(env)),
    readFolder('pulled models', modelStoreDir(env)),
    readFolder('logs', logsDir),
    readFolder('uploads', tmpdir()),
  ])
}
