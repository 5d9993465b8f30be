import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { AsrError, toAsrError } from '@asr-cluster/protocol'
import { Departure } from '../departure.js'
import { blame } from '../exchange/blame.js'
import { backOff, isDecline, isRefusal } from '../exchange/decline.js'
import { newTrace, type Trace } from '../exchange/proxy-request.js'
import type { HandlerContext } from '../server/handler.js'
import { yielded, type Lease } from '../queue/scheduler.js'
import { enterLimits } from '../limits/enter-limits.js'
import { checkFraming } from '../server/framing.js'
import { clientAddress, forwardedRequestHeaders, isLow, requestIdOf } from '../server/headers.js'
import { clientOf } from '../server/key-ring.js'
import { replyOnSocket } from '../server/client-error.js'
import { parseTarget } from '../server/routes.js'
import type { RetryReason } from '../metrics/balancer-metrics.js'
import { classifyFailure } from '../upstream/failure.js'
import { DeclinedError } from './judge-answers.js'
import { openTunnel } from './open-tunnel.js'
import { closeCodes, type Tunnel } from './tunnel.js'

/** A WebSocket that could not be opened is tried on so many instances; those that only took no work do not count. */
const mostFailures = 3
const path = '/v1/realtime'

/** A WebSocket from its request to its end. */
interface Upgrade {
  request: IncomingMessage
  socket: Socket
  requestId: string
  /** Gives way to all others. */
  low: boolean
  departure: Departure
  /** Why it is to end although its client is there. */
  ending: AsrError | undefined
  trace: Trace
}

/** All WebSockets, those that are open each with the slot that it holds. */
export class Upgrades {
  readonly #context: HandlerContext
  readonly #open = new Map<Tunnel, { lease: Lease; request: IncomingMessage }>()
  readonly #waiting = new Set<Upgrade>()
  /** Also those that wait for a slot or for their instance. */
  readonly #sockets = new Set<Socket>()
  #closing = false

  constructor(context: HandlerContext) {
    this.#context = context
  }

  /** The `upgrade` listener of the server; never rejects. */
  handle(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const requestId = requestIdOf(request)
    const startedAtMs = this.#context.clock.nowMs()
    const trace = newTrace()
    const low = isLow(request)
    const departure = new Departure()
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      departure.announce()
    })
    const upgrade: Upgrade = { request, socket, requestId, low, departure, ending: undefined, trace }
    void this.#serve(upgrade, head).then((status) => {
      const { metrics, clock, onAccess } = this.#context
      const durationMs = clock.nowMs() - startedAtMs
      const route = low ? 'low-priority' : path
      metrics.answered(route, status, durationMs / 1_000)
      const address = clientAddress(request)
      onAccess?.({ ...trace, requestId, method: 'GET', route, status, durationMs, address })
    })
  }

  /** Ends the WebSockets of one instance, so that their clients connect again elsewhere. */
  closeOf(instance: string): void {
    for (const [tunnel, { lease }] of this.#open) {
      if (lease.backend.id === instance) tunnel.close(closeCodes.serviceRestart, 'restart')
    }
  }

  /** Ends those whose key is not let in any more. */
  closeUnauthorized(): void {
    const { keys } = this.#context
    for (const upgrade of this.#waiting)
      if (!keys.lets(upgrade.request))
        giveUp(upgrade, new AsrError('unauthorized', 'The API key was revoked.'))
    for (const [tunnel, { request }] of this.#open) {
      if (!keys.lets(request)) tunnel.close(closeCodes.policyViolation, 'the API key was revoked')
    }
  }

  /**
   * Ends all, those that wait with 503, so that their clients connect to the balancer that takes over. Those that come
   * later, on connections of before, are served.
   */
  handOver(): void {
    for (const upgrade of this.#waiting) giveUp(upgrade, draining())
    for (const tunnel of this.#open.keys()) tunnel.close(closeCodes.serviceRestart, 'restart')
  }

  /** The same for good: later ones, and those that are being opened, get 503. Resolves when their sockets are closed. */
  async closeAll(): Promise<void> {
    this.#closing = true
    this.handOver()
    await Promise.all([...this.#sockets].map(closed))
  }

  /** Ends what is left without a word. */
  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Resolves with the status of the answer once the WebSocket is over. */
  async #serve(upgrade: Upgrade, head: Buffer): Promise<number> {
    const { socket, requestId } = upgrade
    try {
      return await this.#connect(upgrade, head)
    } catch (thrown) {
      const error = upgrade.ending ?? (upgrade.departure.isPreempted ? yielded() : toAsrError(thrown))
      if (error.code === 'internal')
        this.#context.log.error({ requestId, err: error.cause }, 'upgrade failed')
      replyOnSocket(socket, error, { path, requestId })
      return error.status
    }
  }

  async #connect(upgrade: Upgrade, head: Buffer): Promise<number> {
    const { scheduler, config, clock, metrics } = this.#context
    const { request, socket, requestId, low, departure, trace } = upgrade
    checkFraming(request)
    const key = this.#context.keys.check(request)
    const target = parseTarget(request.url ?? '')
    if (target?.pathname !== path) throw new AsrError('not_found', 'There is no WebSocket on this path.')
    if (this.#closing) throw draining()
    const { router } = this.#context
    const group = router.byHeader(request) ?? router.byQuery(target.path)
    scheduler.admit(group, { low })
    const leave = enterLimits(clientAddress(request), key?.limiter, this.#context)
    if (leave) socket.once('close', leave)
    prepare(request, requestId, target.path)
    const avoid = new Map<string, number>()
    let waitingSinceMs = clock.nowMs()
    let failures = 0
    let wasDeclined = false
    for (;;) {
      // Instances may decline again and again: one patience for all of that, and what an instance worked is no wait.
      const patienceMs: number = config.queue.timeout - (clock.nowMs() - waitingSinceMs)
      const stopWatching = destroyAtEnd(socket)
      const askedAtMs: number = clock.nowMs()
      this.#waiting.add(upgrade)
      const lease: Lease = await scheduler
        .acquire({
          client: clientOf(request, key),
          group,
          avoid,
          replay: trace.tries > 0,
          declined: wasDeclined && failures === 0,
          low,
          departure,
          patienceMs: Math.max(0, patienceMs),
        })
        .finally(() => {
          stopWatching()
          this.#waiting.delete(upgrade)
          metrics.waited((clock.nowMs() - askedAtMs) / 1_000)
        })
      if (this.#closing) {
        lease.release()
        throw draining()
      }
      const { backend } = lease
      const { life } = backend
      trace.queueWaitMs += lease.waitedMs
      trace.tries += 1
      trace.instance = backend.id
      const early = trace.tries === 1 ? head : Buffer.alloc(0)
      const isLast = (): boolean =>
        clock.nowMs() - waitingSinceMs >= config.queue.timeout ||
        !scheduler.hasOther(group, new Map([...avoid, [backend.id, life]]))
      const result: number | RetryReason | undefined = await this.#attempt(
        upgrade,
        early,
        lease,
        life,
        isLast,
      ).finally(() => lease.release())
      if (typeof result === 'number') return result
      // The scheduler says what that means.
      if (result === undefined || departure.gone) continue
      wasDeclined = isDecline(result) || isRefusal(result)
      if (!isDecline(result)) avoid.set(backend.id, life)
      if (!wasDeclined) {
        failures += 1
        waitingSinceMs = clock.nowMs()
      }
      if (failures === mostFailures)
        throw new AsrError('upstream_failed', 'No instance opened the WebSocket.')
      metrics.retried(result)
    }
  }

  /**
   * One attempt, which holds its slot until it settles; why it failed when another instance may be tried, undefined when
   * its client is gone.
   */
  async #attempt(
    upgrade: Upgrade,
    head: Buffer,
    lease: Lease,
    life: number,
    isLast: () => boolean,
  ): Promise<number | RetryReason | undefined> {
    const { monitor, metrics, config } = this.#context
    const { request, socket, requestId, departure } = upgrade
    const { backend } = lease
    const opening = await openTunnel({
      request,
      socket,
      head,
      target: backend.member.url,
      requestHeaders: backend.callerHeaders,
      responseHeaders: { 'x-request-id': requestId, 'x-asr-instance': backend.id },
      isStranger: (mark) => backend.isStranger(mark),
      isLast,
      clock: this.#context.clock,
      connectTimeoutMs: config.timeouts.connect,
      answerTimeoutMs: config.timeouts.response,
    })
    if (opening.kind === 'client-gone') return undefined
    if (opening.kind === 'failed') {
      if (opening.error instanceof DeclinedError) {
        const { code } = opening.error
        if (isDecline(code)) backOff(this.#context, backend, code)
        return code
      }
      const failure = classifyFailure(opening.error, opening.connected, false)
      blame(monitor, backend, life, failure)
      if (failure.kind === 'timeout')
        throw new AsrError('upstream_timeout', 'The instance did not answer in time.')
      return failure.kind.replace('-', '_') as RetryReason
    }
    if (opening.kind === 'answered') {
      metrics.instanceAnswered(backend, opening.status)
      await closed(socket)
      return opening.status
    }
    metrics.instanceAnswered(backend, 101)
    const { tunnel } = opening
    const running = { stalled: () => tunnel.close(closeCodes.internalError, 'the instance hangs') }
    this.#open.set(tunnel, { lease, request })
    // What may have become of it while it was opened.
    if (this.#closing || backend.member.draining) tunnel.close(closeCodes.serviceRestart, 'restart')
    const yieldSlot = (): void => {
      if (departure.isPreempted) tunnel.close(closeCodes.tryAgainLater, 'other requests need the slot')
    }
    departure.onGone(yieldSlot)
    yieldSlot()
    // The keys may have changed while it was opened.
    this.closeUnauthorized()
    const entry = backend.running.add(running)
    await closed(opening.instance)
    backend.running.remove(entry)
    this.#open.delete(tunnel)
    return 101
  }
}

function giveUp(upgrade: Upgrade, error: AsrError): void {
  upgrade.ending = error
  upgrade.departure.announce()
}

function draining(): AsrError {
  return new AsrError('draining', 'The balancer is draining.', { retryAfterSeconds: 5 })
}

/** Nobody reads from a client that waits, so its leaving would not be noticed. What it sends is kept. */
function destroyAtEnd(socket: Socket): () => void {
  const onEnd = (): void => void socket.destroy()
  socket.once('end', onEnd)
  if (socket.readableEnded) socket.destroy()
  else socket.read(0)
  return () => socket.off('end', onEnd)
}

function closed(socket: Socket): Promise<void> {
  if (socket.destroyed) return Promise.resolve()
  return new Promise((resolve) => socket.once('close', () => resolve()))
}

/** The library sends on what the request says, so the request has to say what an instance may see. */
function prepare(request: IncomingMessage, requestId: string, target: string): void {
  const list = forwardedRequestHeaders(request, requestId)
  const headers: Record<string, string> = {}
  for (let index = 0; index < list.length; index += 2) {
    const name = (list[index] as string).toLowerCase()
    // One that is there twice is what Node makes of both, as for the check of the key.
    const joined = name in headers ? request.headers[name] : undefined
    headers[name] = joined === undefined ? (list[index + 1] as string) : String(joined)
  }
  Object.assign(request, { url: target })
  Object.defineProperty(request, 'headers', {
    value: { ...headers, connection: 'Upgrade', upgrade: 'websocket' },
  })
}
