import { readCertificate } from '@asr-cluster/protocol'
import { z } from 'zod'
import type { ClusterConfig } from '../config/schema.js'
import type { ControlApi, OperationResult, Say } from '../control/control-server.js'
import type { Cluster } from './cluster.js'
import { balancerUrl, reachableAddress } from '../balancer/balancer-program.js'
import { peerCertificate } from '../process/peer-certificate.js'
import { describeEvent } from './events.js'
import type { OperationQueue } from './operations/operation-queue.js'
import { goOnOrShutdown } from './operations/operation.js'
import type { OperationContext } from './operations/operation.js'
import { reloadOperation } from './operations/reload.js'
import { restartOperation } from './operations/restart.js'
import { parseTarget, scaleGroup } from './operations/scale.js'
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
  function operation<Body>(
    schema: z.ZodType<Body>,
    run: (body: Body, operationContext: OperationContext) => Promise<OperationResult>,
  ): (body: unknown, say: Say) => Promise<OperationResult> {
    return (raw, say) => {
      const body = schema.parse(raw)
      return context.queue.run(() => {
        goOnOrShutdown(context)
        return narrated(cluster, say, () =>
          run(body, { cluster, say, isShuttingDown: context.isShuttingDown }),
        )
      })
    }
  }

  return {
    status: () => cluster.status(),
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
      start: operation(idsBody, async ({ ids }, operationContext) => {
        await startOperation(operationContext, ids)
        return { ok: true, message: 'started' }
      }),
      stop: operation(idsBody, async ({ ids }, operationContext) => {
        await stopOperation(operationContext, ids)
        return { ok: true, message: 'stopped' }
      }),
      restart: operation(restartBody, async ({ ids, rolling }, operationContext) => {
        await restartOperation(operationContext, ids, rolling)
        return { ok: true, message: 'restarted' }
      }),
      scale: operation(scaleBody, async ({ targets }, operationContext) => {
        // All are checked before the first one is done.
        const parsed = targets.map((target) => parseTarget(cluster, target))
        for (const { group, count } of parsed) await scaleGroup(operationContext, group, count)
        return { ok: true, message: parsed.map(({ group, count }) => `${group}: ${count}`).join(', ') }
      }),
      reload: operation(reloadBody, async ({ dryRun }, operationContext) => {
        const result = await reloadOperation(operationContext, context.loadConfig(), dryRun)
        const verdict = result.changes.length === 0 ? 'nothing to do' : dryRun ? 'not applied' : 'reloaded'
        return { ok: true, message: verdict, data: result }
      }),
    },
  }
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
