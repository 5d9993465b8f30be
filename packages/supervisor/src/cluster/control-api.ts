import { readCertificate } from '@asr-cluster/protocol'
import { z } from 'zod'
import type { ClusterConfig } from '../config/schema.js'
import type { ControlApi, Operation, OperationResult, Say } from '../control/control-server.js'
import type { Cluster } from './cluster.js'
import { balancerUrl, reachableAddress } from '../balancer/balancer-program.js'
import { peerCertificate } from '../process/peer-certificate.js'
import { describeEvent } from './events.js'
import type { OperationQueue, QueuedOperation } from './operations/operation-queue.js'
import { goOnOrShutdown } from './operations/operation.js'
import type { OperationContext } from './operations/operation.js'
import { reloadOperation } from './operations/reload.js'
import { restartOperation } from './operations/restart.js'
import { parseTargets, scaleGroups } from './operations/scale.js'
import { startOperation, stopOperation } from './operations/start-stop.js'
import { streamLogs } from './stream-logs.js'

export interface ControlContext {
  shutDown(): Promise<void>
  isShuttingDown: () => boolean
  queue: OperationQueue
  /** Reads the configuration again, as `up` did. Throws ConfigError. */
  loadConfig: () => ClusterConfig
  /** Aborts when the supervisor closes its socket. */
  closing: AbortSignal
}

const idsBody = z.object({ ids: z.array(z.string()).default([]) })
const restartBody = idsBody.extend({ rolling: z.boolean().default(false) })
const scaleBody = z.object({ targets: z.array(z.string()).min(1) })
const reloadBody = z.object({ dryRun: z.boolean().default(false) })

/** What the control socket offers, in terms of a cluster. */
export function controlApi(cluster: Cluster, context: ControlContext): ControlApi {
  /** `nameOf` says it in the words of the command line. */
  function operation<Body>(
    schema: z.ZodType<Body>,
    nameOf: (body: Body) => string,
    run: (body: Body, operationContext: OperationContext) => Promise<OperationResult>,
  ): Operation {
    return (raw, say, gone) => {
      const body = schema.parse(raw)
      const go = (): Promise<OperationResult> => {
        goOnOrShutdown(context)
        return narrated(cluster, say, () =>
          run(body, { cluster, say, isShuttingDown: context.isShuttingDown }),
        )
      }
      const onWait = (ahead: readonly QueuedOperation[]): void => say(describeWait(ahead), true)
      return context.queue.run(nameOf(body), go, { gone, onWait })
    }
  }

  return {
    status: () => ({ ...cluster.status(), operations: context.queue.list() }),
    balancerUrl: () => balancerUrl(cluster.config().balancer, cluster.port),
    async certificate() {
      const { host, tls } = cluster.config().balancer
      if (tls === undefined) return null
      // One that is down will come back with what is in the files.
      return peerCertificate(reachableAddress(host), cluster.port).catch(() => readCertificate(tls).cert)
    },
    logs: (request, write, signal) =>
      streamLogs(cluster, request, write, AbortSignal.any([signal, context.closing])),
    operations: {
      down: (_body, say) =>
        narrated(cluster, say, async () => {
          await context.shutDown()
          return { ok: true, data: { pid: process.pid } }
        }),
      start: operation(
        idsBody,
        ({ ids }) => commandOf('start', ids),
        async ({ ids }, operationContext) => {
          await startOperation(operationContext, ids)
          return { ok: true, message: 'started' }
        },
      ),
      stop: operation(
        idsBody,
        ({ ids }) => commandOf('stop', ids),
        async ({ ids }, operationContext) => {
          await stopOperation(operationContext, ids)
          return { ok: true, message: 'stopped' }
        },
      ),
      restart: operation(
        restartBody,
        ({ ids, rolling }) => commandOf(rolling ? 'restart --rolling' : 'restart', ids),
        async ({ ids, rolling }, operationContext) => {
          await restartOperation(operationContext, ids, rolling)
          return { ok: true, message: 'restarted' }
        },
      ),
      scale: operation(
        scaleBody,
        ({ targets }) => commandOf('scale', targets),
        async ({ targets }, operationContext) => {
          const parsed = parseTargets(cluster, targets)
          await scaleGroups(operationContext, parsed)
          return { ok: true, message: parsed.map(({ group, count }) => `${group}: ${count}`).join(', ') }
        },
      ),
      reload: operation(
        reloadBody,
        ({ dryRun }) => (dryRun ? 'reload --dry-run' : 'reload'),
        async ({ dryRun }, operationContext) => {
          const result = await reloadOperation(operationContext, context.loadConfig(), dryRun)
          const verdict = result.changes.length === 0 ? 'nothing to do' : dryRun ? 'not applied' : 'reloaded'
          return { ok: true, message: verdict, data: result }
        },
      ),
    },
  }
}

const commandOf = (name: string, words: readonly string[]): string => [name, ...words].join(' ')

function describeWait(ahead: readonly QueuedOperation[]): string {
  const names = ahead.map(({ name, state, seconds }) =>
    state === 'running' ? `\`${name}\`, which began ${Math.round(seconds)} s ago` : `\`${name}\``,
  )
  return `waiting for ${names.join(', then ')}; \`asr-cluster status\` shows what goes on`
}

/** Tells the caller everything that happens while an operation runs. */
async function narrated(
  cluster: Cluster,
  say: Say,
  operation: () => Promise<OperationResult>,
): Promise<OperationResult> {
  const unsubscribe = cluster.bus.subscribe((event) => {
    if (event.type !== 'progress') say(describeEvent(event))
  })
  try {
    return await operation()
  } finally {
    unsubscribe()
  }
}
