import { balancerMessageSchema, environment } from '@asr-cluster/protocol'
import type { BalancerMessage } from '@asr-cluster/protocol'
import { letIn } from '../cluster/own-key.js'
import type { BalancerSettings } from '../config/schema.js'
import { httpGet } from '../process/http-get.js'
import type { Program } from '../process/managed-process.js'
import type { RunAs, SpawnRequest } from '../process/spawner.js'
import { toBalancerInput } from './balancer-input.js'

export interface BalancerProgramOptions {
  /** Program and leading arguments. */
  command: readonly string[]
  settings: () => BalancerSettings
  listenFd: number
  port: number
  clusterId: string
  user: RunAs | null
  /** Resolves when it may begin to accept. */
  mayAccept: () => Promise<void>
  onMessage: (message: BalancerMessage) => void
  onSpawned: () => void
}

/** The descriptor of the listening socket in the child: the first one after standard error. */
const childListenFd = 3
const probeTimeoutMs = 2_000

export interface BalancerProgram extends Program {
  /** Like `probe`, of a process that was ready. Rejects with ProbeTimeoutError when there is no answer in time. */
  check(timeoutMs: number, signal: AbortSignal): Promise<void>
}

export function balancerProgram(options: BalancerProgramOptions): BalancerProgram {
  async function check(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const url = balancerUrl(options.settings().balancer, options.port)
    const { status } = await httpGet(`${url}/healthz`, timeoutMs, signal)
    if (status !== 200) throw new Error(`/healthz answers ${status}`)
  }

  return {
    id: 'balancer',
    async prepare(): Promise<SpawnRequest> {
      await options.mayAccept()
      const [file, ...args] = options.command as [string, ...string[]]
      const { balancer, cache, auth } = options.settings()
      return {
        file,
        args: [
          ...args,
          '--config-json',
          JSON.stringify(toBalancerInput(balancer)),
          '--listen-fd',
          String(childListenFd),
          ...(cache.enabled ? ['--cache-max-bytes', `${cache.maxBytes}B`] : []),
          ...(cache.enabled && cache.dir !== undefined
            ? ['--cache-dir', cache.dir, '--cache-max-disk-bytes', `${cache.maxDiskBytes}B`]
            : []),
        ],
        env: {
          [environment.supervisorPid]: String(process.pid),
          [environment.clusterId]: options.clusterId,
          [environment.apiKeyHashes]: letIn(auth.apiKeys).join(','),
          ...(cache.redis === undefined ? {} : { [environment.cacheRedisUrl]: cache.redis }),
        },
        ipc: true,
        user: options.user,
        inheritFds: [options.listenFd],
      }
    },
    check,
    probe: (signal) => check(probeTimeoutMs, signal),
    onMessage(raw, managed) {
      const message = balancerMessageSchema.safeParse(raw)
      if (!message.success) return
      if (message.data.type === 'listening') managed.dispatch({ type: 'said-ready' })
      options.onMessage(message.data)
    },
    onSpawned: options.onSpawned,
  }
}

/** Base URL at which this machine reaches a balancer. */
export function balancerUrl({ host, tls }: BalancerSettings['balancer'], port: number): string {
  return `${tls === undefined ? 'http' : 'https'}://${reachableHost(host)}:${port}`
}

/** Where we reach a server that listens on `host` ourselves, ready for a URL. */
export function reachableHost(host: string): string {
  const address = reachableAddress(host)
  return address.includes(':') ? `[${address}]` : address
}

export function reachableAddress(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  return host === '::' ? '::1' : host
}
