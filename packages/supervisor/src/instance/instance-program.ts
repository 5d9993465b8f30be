import { randomBytes } from 'node:crypto'
import {
  callerHeader,
  callerProof,
  environment,
  exitCodes,
  healthSchema,
  instanceMessageSchema,
} from '@asr-cluster/protocol'
import type { InstanceMessage, Member } from '@asr-cluster/protocol'
import { httpGet } from '../process/http-get.js'
import { vulkanDeviceEnv } from '../gpu/vulkan-device.js'
import { probePort } from '../process/free-port.js'
import type { Program } from '../process/managed-process.js'
import type { RunAs, SpawnRequest } from '../process/spawner.js'
import { choosePort } from './choose-port.js'
import { modelRevision } from './model-revision.js'
import { modelNames } from './plan-instances.js'
import type { InstanceSpec } from './plan-instances.js'

const host = '127.0.0.1'
const probeTimeoutMs = 2_000

export type ProgressMessage = Extract<InstanceMessage, { type: 'progress' }>

export interface InstanceProgramOptions {
  spec: () => InstanceSpec
  /** Program and leading arguments of our own asr-instance. */
  command: readonly string[]
  clusterId: string
  /** The port is that of the clients, or of another instance. */
  isReserved: (port: number) => boolean
  user: RunAs | null
  /** Where the GPU is in the machine. */
  pciBusId: (gpu: string) => string | null
  /** Uids that our own instances answer; null for all. */
  allowUsers: readonly number[] | null
  onProgress: (message: ProgressMessage) => void
  onNotice: (text: string) => void
}

export interface InstanceProgram extends Program {
  /** Actual port of this life; 0 before it is known. */
  port(): number
  slots(): number | null
  /** Like `probe`, of a process that was ready. Rejects with ProbeTimeoutError when there is no answer in time. */
  check(timeoutMs: number, signal: AbortSignal): Promise<void>
  /** How the balancer sees this life. */
  member(draining: boolean): Member
}

/** What one life of an instance was started with, and what it told us. */
interface Life {
  spec: InstanceSpec
  identity: string
  revision: string
  port: number
  slots: number | null
  model: string | null
  fatal: string | null
}

export function instanceProgram(options: InstanceProgramOptions): InstanceProgram {
  let life: Life = newLife(options.spec(), 0)

  async function preparePort(spec: InstanceSpec): Promise<number> {
    // Ours can take any free port by itself and tell; a foreign server has to be given one.
    if (spec.port === 0) return spec.command === null ? 0 : ((await probePort(host, 0)) ?? 0)
    const { port, takenBy } = await choosePort(host, spec.port, options.isReserved)
    if (takenBy !== null) options.onNotice(`port ${spec.port} is held by ${takenBy}; using ${port}`)
    return port
  }

  function slots(): number | null {
    const { spec } = life
    if (life.slots !== null) return life.slots
    if (spec.slots !== 'auto') return spec.slots
    return spec.command === null ? null : 1
  }

  return {
    id: options.spec().id,
    async prepare() {
      const spec = options.spec()
      life = newLife(spec, await preparePort(spec))
      return buildRequest(life, options)
    },
    probe: (signal) => probeLife(life, probeTimeoutMs, signal),
    check: (timeoutMs, signal) => probeLife(life, timeoutMs, signal),
    onMessage(raw, managed) {
      const parsed = instanceMessageSchema.safeParse(raw)
      if (!parsed.success) return
      const message = parsed.data
      if (message.type === 'progress') {
        managed.dispatch({ type: 'progress' })
        options.onProgress(message)
      } else if (message.type === 'ready') {
        life = { ...life, port: message.port, slots: message.slots, model: message.model }
        managed.dispatch({ type: 'said-ready' })
      } else {
        life = { ...life, fatal: message.message }
      }
    },
    lastWords: () => life.fatal,
    explainExit({ code }) {
      if (code === exitCodes.configuration) return 'wrong configuration or model'
      if (code === exitCodes.device) return 'the GPU is missing, lost or too small'
      return code === exitCodes.portInUse ? 'port in use' : null
    },
    port: () => life.port,
    slots,
    member(draining) {
      const { spec } = life
      const native = spec.command === null
      return {
        id: spec.id,
        group: spec.group,
        models: modelNames(spec, life.model),
        revision: life.revision,
        url: `http://${host}:${life.port}`,
        // The one thing that changes without another life.
        weight: options.spec().weight,
        slots: slots() ?? 1,
        draining,
        native,
        ...(native ? { identity: life.identity, marks: true } : { healthPath: spec.healthPath }),
      }
    },
  }
}

function newLife(spec: InstanceSpec, port: number): Life {
  const identity = randomBytes(16).toString('hex')
  return { spec, identity, revision: modelRevision(spec), port, slots: null, model: null, fatal: null }
}

function buildRequest(life: Life, options: InstanceProgramOptions): SpawnRequest {
  const { spec } = life
  const wrapping = { cpuSet: spec.cpuSet, user: options.user }
  const env: Record<string, string> = {
    ...(spec.gpu === null ? {} : vulkanDeviceEnv(options.pciBusId(spec.gpu))),
    ...spec.env,
    ...(spec.gpu === null ? {} : { CUDA_DEVICE_ORDER: 'PCI_BUS_ID', CUDA_VISIBLE_DEVICES: spec.gpu }),
    [environment.identity]: life.identity,
    [environment.supervisorPid]: String(process.pid),
    [environment.clusterId]: options.clusterId,
  }
  if (spec.command !== null) {
    const values: Record<string, string> = {
      port: String(life.port),
      gpu: spec.gpu ?? '',
      id: spec.id,
      model: spec.model,
    }
    const [file, ...args] = spec.command.map((part) => fillIn(part, values)) as [string, ...string[]]
    return { file, args, env, ipc: false, ...wrapping }
  }
  const [file, ...args] = options.command as [string, ...string[]]
  const flags = {
    model: spec.model,
    port: life.port,
    id: spec.id,
    host,
    slots: spec.slots,
    threads: spec.threads,
    quantization: spec.quantization,
    device: spec.device,
    'max-body-size': `${spec.maxBodyBytes}B`,
    ...(options.allowUsers === null ? {} : { 'allow-users': options.allowUsers.join(',') }),
  }
  const flagArgs = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)])
  const names = modelNames(spec, null).flatMap((name) => ['--served-model-name', name])
  return { file, args: [...args, ...flagArgs, ...names], env, ipc: true, ...wrapping }
}

/** Replaces `{port}`, `{gpu}`, `{id}` and `{model}`; other braces stay as they are. */
export function fillIn(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\{([a-z]+)\}/g, (whole, name: string) => values[name] ?? whole)
}

async function probeLife(life: Life, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const { spec } = life
  const path = spec.command === null ? '/health' : spec.healthPath
  const headers = spec.command === null ? { [callerHeader]: callerProof(life.identity) } : undefined
  const { status, body } = await httpGet(`http://${host}:${life.port}${path}`, timeoutMs, signal, headers)
  if (spec.command !== null) {
    if (status < 200 || status >= 300) throw new Error(`${path} answers ${status}`)
    return
  }
  const health = healthSchema.safeParse(parseJson(body))
  if (!health.success) throw new Error(`${path} on port ${life.port} is not that of an asr-instance`)
  if (health.data.identity !== life.identity) throw new Error(`somebody else answers on port ${life.port}`)
  if (health.data.status !== 'healthy') throw new Error(`${path} says ${health.data.status}`)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
