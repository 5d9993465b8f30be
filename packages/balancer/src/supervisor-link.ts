import { balancerCommandSchema, type BalancerMessage } from '@asr-cluster/protocol'
import type { Logger } from 'pino'
import type { Balancer } from './balancer.js'

const statsIntervalMs = 1_000

/** The part of `process` that talks to a parent. */
export interface ParentChannel {
  send(message: unknown): void
  on(event: 'message', listener: (message: unknown) => void): unknown
  on(event: 'disconnect', listener: () => void): unknown
}

export interface SupervisorLink {
  /** Sends the stats once the present turn of the event loop is over, however often it is called in it. */
  sendStatsSoon(): void
  send(message: BalancerMessage): void
  stop(): void
}

/** Members, metrics and shutdown come from the supervisor; stats go to it. */
export function connectSupervisor(
  channel: ParentChannel,
  balancer: Balancer,
  log: Logger,
  onShutdown: (handOver: boolean) => void,
  /** Whether there is a new one. Throws when it cannot be used. */
  reloadCertificate: () => boolean,
): SupervisorLink {
  let pending = false
  const send = (message: BalancerMessage): void => channel.send(message)
  const sendStats = (): void => {
    pending = false
    send(balancer.stats())
  }
  balancer.admin.connect(send)
  const timer = setInterval(sendStats, statsIntervalMs)
  channel.on('message', (raw) => {
    const parsed = balancerCommandSchema.safeParse(raw)
    if (!parsed.success) {
      log.error({ issues: parsed.error.issues.slice(0, 3) }, 'unknown message from the supervisor')
      return
    }
    switch (parsed.data.type) {
      case 'members':
        balancer.setMembers(parsed.data.members, parsed.data.groups)
        break
      case 'metrics':
        balancer.setSupervisorMetrics(parsed.data.metrics)
        break
      case 'status':
        balancer.liveStatus.setCluster(parsed.data.status)
        break
      case 'api-keys':
        balancer.setApiKeys(parsed.data.hashes)
        send({ type: 'api-keys-taken', revision: parsed.data.revision })
        break
      case 'certificate':
        send({ type: 'certificate-taken', revision: parsed.data.revision, ...attempt(reloadCertificate) })
        break
      case 'admin-answer':
        balancer.admin.onAnswer(parsed.data)
        break
      case 'shutdown':
        onShutdown(parsed.data.handOver ?? false)
        break
    }
  })
  return {
    sendStatsSoon() {
      if (pending) return
      pending = true
      setImmediate(sendStats)
    },
    send,
    stop: () => clearInterval(timer),
  }
}

function attempt(reload: () => boolean): { isNew: boolean; reason?: string } {
  try {
    return { isNew: reload() }
  } catch (error) {
    return { isNew: false, reason: (error as Error).message }
  }
}
