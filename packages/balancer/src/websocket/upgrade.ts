import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { AsrError, toAsrError } from '@asr-cluster/protocol'
import { Departure } from '../departure.js'
import { backOff } from '../exchange/decline.js'
import { newTrace, type Trace } from '../exchange/proxy-request.js'
import type { HandlerContext } from '../server/handler.js'
import type { Lease } from '../queue/scheduler.js'
import { enterLimits } from '../limits/enter-limits.js'
import { checkFraming } from '../server/framing.js'
import { clientAddress, forwardedRequestHeaders, requestIdOf } from '../server/headers.js'
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

/** All open WebSockets, each with the slot that it holds. */
export class Upgrades {
  readonly #context: HandlerContext
  readonly #open = new Map<Tunnel, { lease: Lease; request: IncomingMessage }>()
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
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    void this.#serve(request, socket, head, requestId, trace).then((status) => {
      const { metrics, clock, onAccess } = this.#context
      const durationMs = clock.nowMs() - startedAtMs
      metrics.answered(path, status, durationMs / 1_000)
      const address = clientAddress(request)
      onAccess?.({ ...trace, requestId, method: 'GET', route: path, status, durationMs, address })
    })
  }

  /** Ends the WebSockets of one instance, so that their clients connect again elsewhere. */
  closeOf(instance: string): void {
    for (const [tunnel, { lease }] of this.#open) {
      if (lease.backend.id === instance) tunnel.close(closeCodes.serviceRestart, 'restart')
    }
  }

  /** Ends those that were opened with a key that is not let in any more. */
  closeUnauthorized(): void {
    for (const [tunnel, { request }] of this.#open) {
      if (!this.#context.keys.lets(request))
        tunnel.close(closeCodes.policyViolation, 'the API key was revoked')
    }
  }

  /** Ends all, those that are being opened with 503; resolves when their sockets are closed. */
  async closeAll(): Promise<void> {
    this.#closing = true
    for (const tunnel of this.#open.keys()) tunnel.close(closeCodes.serviceRestart, 'restart')
    await Promise.all([...this.#sockets].map(closed))
  }

  /** Ends what is left without a word. */
  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Resolves with the status of the answer once the WebSocket is over. */
  async #serve(
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    requestId: string,
    trace: Trace,
  ): Promise<number> {
    try {
      return await this.#connect(request, socket, head, requestId, trace)
    } catch (thrown) {
      const error = toAsrError(thrown)
      if (error.code === 'internal')
        this.#context.log.error({ requestId, err: error.cause }, 'upgrade failed')
      replyOnSocket(socket, error, { path, requestId })
      return error.status
    }
  }

  async #connect(
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    requestId: string,
    trace: Trace,
  ): Promise<number> {
    const { scheduler, config, clock, metrics } = this.#context
    checkFraming(request)
    const key = this.#context.keys.check(request)
    const target = parseTarget(request.url ?? '')
    if (target?.pathname !== path) throw new AsrError('not_found', 'There is no WebSocket on this path.')
    if (this.#closing) throw draining()
    const { router } = this.#context
    const group = router.byHeader(request) ?? router.byQuery(target.path)
    scheduler.admit(group)
    const leave = enterLimits(clientAddress(request), key?.limiter, this.#context)
    if (leave) socket.once('close', leave)
    prepare(request, requestId, target.path)
    const departure = new Departure()
    socket.once('close', () => departure.announce())
    const avoid = new Map<string, number>()
    const begunAtMs = clock.nowMs()
    let failures = 0
    let wasDeclined = false
    for (;;) {
      // An instance may decline again and again: one patience for all of that.
      const patienceMs: number = config.queue.timeout - (wasDeclined ? clock.nowMs() - begunAtMs : 0)
      const stopWatching = destroyAtEnd(socket)
      const lease: Lease = await scheduler
        .acquire({
          client: clientOf(request, key),
          group,
          avoid,
          replay: trace.tries > 0,
          declined: wasDeclined && failures === 0,
          departure,
          patienceMs: Math.max(0, patienceMs),
        })
        .finally(stopWatching)
      if (this.#closing) {
        lease.release()
        throw draining()
      }
      const { backend } = lease
      metrics.waited(lease.waitedMs / 1_000)
      trace.queueWaitMs += lease.waitedMs
      trace.tries += 1
      trace.instance = backend.id
      const early = trace.tries === 1 ? head : Buffer.alloc(0)
      const result: number | RetryReason = await this.#attempt(
        request,
        socket,
        early,
        requestId,
        lease,
      ).finally(() => lease.release())
      if (typeof result === 'number') return result
      if (departure.gone) continue
      wasDeclined = result === 'slots_full' || result === 'draining'
      if (!wasDeclined) {
        failures += 1
        avoid.set(backend.id, backend.life)
      }
      if (failures === mostFailures)
        throw new AsrError('upstream_failed', 'No instance opened the WebSocket.')
      metrics.retried(result)
    }
  }

  /** One attempt, which holds its slot until it settles; why it failed when another instance may be tried. */
  async #attempt(
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    requestId: string,
    lease: Lease,
  ): Promise<number | RetryReason> {
    const { monitor, metrics, config } = this.#context
    const { backend } = lease
    const opening = await openTunnel({
      request,
      socket,
      head,
      target: backend.member.url,
      requestHeaders: backend.callerHeaders,
      responseHeaders: { 'x-request-id': requestId, 'x-asr-instance': backend.id },
      isStranger: (mark) => backend.isStranger(mark),
      timeoutMs: config.timeouts.connect,
    })
    if (opening.kind === 'failed') {
      if (opening.error instanceof DeclinedError) {
        backOff(this.#context, backend, opening.error.code)
        return opening.error.code
      }
      const { kind, code } = classifyFailure(opening.error, false, false)
      if (kind === 'refused') monitor.eject(backend, 'refused', code)
      else monitor.suspect(backend)
      return kind.replace('-', '_') as RetryReason
    }
    if (opening.kind === 'answered') {
      metrics.instanceAnswered(backend.id, opening.status)
      await closed(socket)
      return opening.status
    }
    metrics.instanceAnswered(backend.id, 101)
    const { tunnel } = opening
    const running = { stalled: () => tunnel.close(closeCodes.internalError, 'the instance hangs') }
    this.#open.set(tunnel, { lease, request })
    if (this.#closing) tunnel.close(closeCodes.serviceRestart, 'restart')
    // The keys may have changed while it was opened.
    this.closeUnauthorized()
    const entry = backend.running.add(running)
    await closed(opening.instance)
    backend.running.remove(entry)
    this.#open.delete(tunnel)
    return 101
  }
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
    headers[(list[index] as string).toLowerCase()] = list[index + 1] as string
  }
  Object.assign(request, { url: target })
  Object.defineProperty(request, 'headers', {
    value: { ...headers, connection: 'Upgrade', upgrade: 'websocket' },
  })
}
