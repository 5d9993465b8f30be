import type { IncomingMessage, ServerResponse } from 'node:http'
import { AsrError, toAsrError, type BalancerConfig, type ErrorCode } from '@asr-cluster/protocol'
import type { TraceSpan } from '@asr-cluster/protocol/tracing'
import type { Logger } from 'pino'
import { asHit, cacheMiss } from '../cache/as-hit.js'
import type { AnswerStore } from '../cache/answer-store.js'
import { BodyDigest } from '../cache/body-digest.js'
import { receiveBody, tooLarge } from '../body/receive.js'
import { Spool, type SpoolMemory } from '../body/spool.js'
import type { Clock } from '../clock.js'
import type { Departure } from '../departure.js'
import type { HealthMonitor } from '../health/monitor.js'
import type { BalancerMetrics, RetryReason } from '../metrics/balancer-metrics.js'
import { yielded, type Lease, type Scheduler } from '../queue/scheduler.js'
import type { ModelRouter } from '../routing/model-router.js'
import { forwardedRequestHeaders, headerValue, withTraceHeaders } from '../server/headers.js'
import type { KeyRing } from '../server/key-ring.js'
import { discardBody, hasBody } from '../server/respond.js'
import type { UpstreamRequest } from '../upstream/connections.js'
import type { Failure } from '../upstream/failure.js'
import type { Answer, Sharing } from './answer.js'
import { runAttempt, type Outcome } from './attempt.js'
import { blame } from './blame.js'
import { breakOff } from './break-off.js'
import type { DeathLog } from './death-log.js'
import { backOff, isDecline, isRefusal, mayDecline, noWorkCodeIn, type NoWorkCode } from './decline.js'
import { mostUseful, type Refusal } from './refusals.js'
import { judgeReplay, type AttemptRecord } from './verdict.js'

/** What most requests have to avoid. */
const nowhere: ReadonlyMap<string, number> = new Map()

/** A request that costs nothing takes no slot, so that no wait for one ends its tries. */
const lightTries = 32

export interface ProxyContext {
  config: BalancerConfig
  clock: Clock
  scheduler: Scheduler
  monitor: HealthMonitor
  metrics: BalancerMetrics
  deaths: DeathLog
  spoolMemory: SpoolMemory
  spoolDir: string
  router: ModelRouter
  /** Undefined when answers are not kept. */
  answers: AnswerStore | undefined
  keys: KeyRing
  log: Logger
}

export interface Call {
  request: IncomingMessage
  response: ServerResponse
  requestId: string
  /** Origin form with query. */
  path: string
  /** Unit of fairness in the queue. */
  client: string
  /** Named by the head; else filled in when the body has named it. */
  group: string | undefined
  /** Costs the instance nothing: it takes no slot and never waits. */
  light: boolean
  /** Gives way to all others, and is answered by an instance and not from memory. */
  low: boolean
  /** The client waits for 100 Continue. */
  expectsContinue: boolean
  departure: Departure
  /** Filled in for the access log. */
  trace: Trace
  /** Of the whole request; an empty one when nobody traces. */
  span: TraceSpan
}

export interface Trace {
  queueWaitMs: number
  tries: number
  instance: string | undefined
  requestBytes: number
  /** Why we ended an answer that had begun. */
  cutBy: ErrorCode | undefined
}

export function newTrace(): Trace {
  return { queueWaitMs: 0, tries: 0, instance: undefined, requestBytes: 0, cutBy: undefined }
}

/**
 * One request from its head to the end of its answer: receive the body, wait for a slot, send, and send again as long as
 * nothing has reached the client. Rejects with AsrError when the client is to get an error.
 *
 * The slot is taken once the body is here: a slow upload then holds no instance, and the instance gets the body as fast
 * as it can read.
 */
export async function proxyRequest(context: ProxyContext, call: Call): Promise<void> {
  const { config, scheduler, spoolMemory, spoolDir, clock } = context
  const { request, response, departure } = call
  if (Number(request.headers['content-length']) > config.maxBodySize) throw tooLarge(config.maxBodySize)
  const answers = call.light || call.low ? undefined : context.answers
  // Where the answer may be known only the body tells whether a place in the queue is needed, which is refused then.
  const terms = { low: call.low, needsPlace: answers?.knowsAny !== true }
  if (!call.light) scheduler.admit(call.group, terms)
  // A GET has no body of ours, so the instance gets none of the client's either.
  if (call.light) discardBody(request, response)
  else if (call.expectsContinue) response.writeContinue()
  const digest = answers && new BodyDigest(request.headers['content-type'])
  const field = call.light || call.group !== undefined ? undefined : context.router.fieldOf(request)
  const watchers = [digest, field].filter((watcher) => watcher !== undefined)
  const spool = new Spool(spoolMemory, spoolDir, watchers)
  try {
    if (!call.light && hasBody(request)) {
      const timeoutMs = config.timeouts.body
      await receiveBody(request, spool, { maxBytes: config.maxBodySize, timeoutMs, clock, departure })
      call.trace.requestBytes = spool.size
    }
    if (field?.value !== undefined) {
      call.group = context.router.resolve(field.value)
      scheduler.admit(call.group, terms)
    }
    if (digest && answers) await deliverOnce(context, answers, call, spool, digest)
    else await deliver(context, call, spool)
  } finally {
    // Nothing to wait for without a file.
    const closing = spool.dispose()
    if (closing) await closing
  }
}

/** Sends the request only if the answer is not known from one like it. */
async function deliverOnce(
  context: ProxyContext,
  answers: AnswerStore,
  call: Call,
  spool: Spool,
  digest: BodyDigest,
): Promise<void> {
  const { request, path, group, departure, requestId, response } = call
  const bodyDigest = digest.finish()
  if (bodyDigest === undefined) return deliver(context, call, spool)
  const identity = {
    method: request.method ?? '',
    path,
    group,
    contentType: digest.contentType,
    bodyDigest,
    // Judged here where there are keys, and then all of them get the same answers.
    authorization: context.keys.isOpen ? request.headers.authorization : undefined,
  }
  const askedAtMs = context.clock.nowMs()
  const known = await answers.serve(identity, call.client, departure, (sharing, hasQueued) => {
    context.metrics.cacheMissed()
    return deliver(context, call, spool, sharing, hasQueued ? askedAtMs : undefined)
  })
  if (!known) return
  context.metrics.cacheHit()
  sendAnswer(context, response, asHit(known, requestId))
}

async function deliver(
  context: ProxyContext,
  call: Call,
  spool: Spool,
  sharing?: Sharing,
  /** Since when it waits for a slot, if it did so before. */
  queuedAtMs?: number,
): Promise<void> {
  const { config, scheduler, metrics, clock } = context
  const { request, response, departure, requestId, trace, span } = call
  const headers = forwardedRequestHeaders(request, requestId)
  if (methodHasBody(request.method)) headers.push('content-length', String(spool.size))
  const records: AttemptRecord[] = []
  const refusals: Refusal[] = []
  let avoid: ReadonlyMap<string, number> = nowhere
  let waitingSinceMs = queuedAtMs ?? clock.nowMs()
  for (;;) {
    // Instances may decline again and again: one patience for all of that, and what an instance worked is no wait.
    const wasDeclined = records.at(-1)?.kind === 'declined'
    const patienceMs = config.queue.timeout - (clock.nowMs() - waitingSinceMs)
    const ticket = {
      client: call.client,
      group: call.group,
      avoid,
      replay: records.length > 0,
      declined: wasDeclined && records.every(({ kind }) => kind === 'declined'),
      low: call.low,
      departure,
      patienceMs: Math.max(0, patienceMs),
      onWait: sharing?.onWait,
    }
    const queueSpan = span.child('queue')
    const askedAtMs = clock.nowMs()
    let lease: Lease
    try {
      lease = call.light
        ? scheduler.next(avoid)
        : (scheduler.acquireNow(ticket) ?? (await scheduler.acquire(ticket)))
    } catch (error) {
      // A wait that was in vain is one too.
      if (!call.light) metrics.waited((clock.nowMs() - askedAtMs) / 1_000)
      queueSpan.end({ 'asr.group': call.group }, toAsrError(error).code)
      throw error
    }
    queueSpan.end({ 'asr.group': call.group })
    const { backend } = lease
    const { life } = backend
    const upstreamSpan = span.child('upstream', 'client', { 'asr.instance': backend.id })
    trace.queueWaitMs += lease.waitedMs
    trace.tries += 1
    trace.instance = backend.id
    if (!call.light) metrics.waited(lease.waitedMs / 1_000)
    const upstream: UpstreamRequest = {
      method: request.method as string,
      path: call.path,
      headers: [...withTraceHeaders(headers, upstreamSpan.headers()), ...backend.callerHeaders],
      body: spool.read() ?? null,
    }
    const clientStallMs = config.timeouts.response
    const sentAtMs = clock.nowMs()
    const outcome = await runAttempt({
      backend,
      upstream,
      response,
      requestId,
      departure,
      clock,
      clientStallMs,
      sharing,
      extraHeaders: sharing && cacheMiss,
    })
    upstreamSpan.end({ 'asr.outcome': outcome.kind }, isTrouble(outcome) ? outcome.kind : undefined)
    if (outcome.kind === 'answer') sharing?.onAnswer(outcome.answer)
    let reason: RetryReason
    if (outcome.kind !== 'failed') {
      const turnedAway = conclude(context, call, lease, life, sentAtMs, outcome)
      if (!turnedAway) return
      const { code, answer } = turnedAway
      reason = code
      // One that is full or drains is kept away from for as long as that lasts; it has not failed on this request.
      records.push({ kind: 'declined', instanceGone: false, sharedBy: 1, reused: false })
      if (isRefusal(code)) {
        refusals.push({ backend, code, answer })
        avoid = new Map([...avoid, [backend.id, life]])
        const isTimeOver = clock.nowMs() - waitingSinceMs >= config.queue.timeout
        if (isTimeOver || !scheduler.hasOther(call.group, avoid)) {
          const final = mostUseful(refusals as [Refusal, ...Refusal[]])
          metrics.instanceAnswered(final.backend, final.answer.status)
          sendAnswer(context, response, final.answer)
          return
        }
      }
    } else {
      reason = outcome.failure.kind.replace('-', '_') as RetryReason
      records.push(await concludeFailure(context, call, lease, life, outcome.failure))
      avoid = new Map([...avoid, [backend.id, life]])
      waitingSinceMs = clock.nowMs()
    }
    if (call.light && records.length >= lightTries) throw noCompletion()
    judge(context, requestId, records)
    metrics.retried(reason)
  }
}

/**
 * Draws the consequences of an attempt for its instance, gives the slot back and answers the client if that can be done.
 * Returns why the instance took no work, and its answer, when the request may have to be sent again.
 */
function conclude(
  context: ProxyContext,
  call: Call,
  lease: Lease,
  life: number,
  sentAtMs: number,
  outcome: Exclude<Outcome, { kind: 'failed' }>,
): { code: NoWorkCode; answer: Answer } | undefined {
  const { metrics, clock } = context
  const { backend } = lease
  const seconds = call.light ? undefined : (clock.nowMs() - sentAtMs) / 1_000
  switch (outcome.kind) {
    case 'answer': {
      const { answer } = outcome
      const code = noWorkCode(answer)
      if (code) {
        if (isDecline(code)) backOff(context, backend, code)
        lease.release()
        return { code, answer }
      }
      lease.release('served')
      metrics.instanceAnswered(backend, answer.status, seconds)
      sendAnswer(context, call.response, answer)
      return undefined
    }
    case 'streamed':
      lease.release('served')
      metrics.instanceAnswered(backend, outcome.status, seconds)
      limitUnread(context, call.response)
      return undefined
    case 'client-gone':
      lease.release()
      return undefined
    case 'cut':
      blame(context.monitor, backend, life, outcome.failure)
      lease.release()
      context.log.warn(
        { requestId: call.requestId, instance: backend.id, ...outcome.failure },
        'answer broke off',
      )
      endEarly(context, call, outcome.eventStream, new AsrError('upstream_failed', 'The instance broke off.'))
      return undefined
    case 'preempted':
      lease.release()
      endEarly(context, call, outcome.eventStream, yielded())
      return undefined
  }
}

async function concludeFailure(
  context: ProxyContext,
  call: Call,
  lease: Lease,
  life: number,
  failure: Failure,
): Promise<AttemptRecord> {
  const { monitor, deaths, clock, log } = context
  const { backend } = lease
  log.debug({ requestId: call.requestId, instance: backend.id, ...failure }, 'attempt failed')
  // Before the slot is free again, or the next request would go to the dead instance.
  blame(context.monitor, backend, life, failure)
  const sharedBy = backend.life === life ? backend.inFlight : backend.inFlightAtEjection
  lease.release()
  if (failure.kind === 'timeout') {
    throw new AsrError('upstream_timeout', 'The instance did not answer in time.')
  }
  if (failure.kind === 'unsendable') {
    throw new AsrError('invalid_request', 'A header of the request cannot be forwarded.')
  }
  const instanceGone = failure.kind === 'broke' && (await monitor.confirmGone(backend, life))
  if (instanceGone) deaths.record(backend.id, life, call.requestId, clock.nowMs())
  return { kind: failure.kind, instanceGone, sharedBy, reused: failure.reused }
}

function noWorkCode({ status, headers, body }: Answer): NoWorkCode | undefined {
  return mayDecline(status, headerValue(headers, 'content-type')) ? noWorkCodeIn(body) : undefined
}

function judge(context: ProxyContext, requestId: string, records: readonly AttemptRecord[]): void {
  const { config, deaths, clock } = context
  const otherDeaths = deaths.without(requestId, clock.nowMs())
  const verdict = judgeReplay(records, { attempts: config.retry.attempts, otherDeaths })
  if (verdict === 'poison') {
    throw new AsrError('poison_request', 'Instances died while they worked on this request.')
  }
  if (verdict === 'give-up') throw noCompletion()
}

function noCompletion(): AsrError {
  return new AsrError('upstream_failed', 'No instance completed this request.')
}

function sendAnswer(context: ProxyContext, response: ServerResponse, answer: Answer): void {
  if (response.destroyed) return
  response.writeHead(answer.status, answer.statusText, answer.headers)
  response.end(answer.body)
  limitUnread(context, response)
}

/** Gives up a client that does not read the end of its answer, which would keep a draining balancer for ever. */
function limitUnread({ clock, config }: ProxyContext, response: ServerResponse): void {
  // Most answers are with the system by now, and need no timer.
  if (response.writableLength === 0 || response.destroyed) return
  response.once(
    'close',
    clock.after(config.timeouts.response, () => response.req.socket.destroy()),
  )
}

/** The answer that has begun does not become whole. */
function endEarly(
  context: ProxyContext,
  { response, trace }: Call,
  eventStream: boolean,
  error: AsrError,
): void {
  trace.cutBy = error.code
  breakOff(response, eventStream, error)
  limitUnread(context, response)
}

function isTrouble({ kind }: Outcome): boolean {
  return kind === 'failed' || kind === 'cut'
}

function methodHasBody(method: string | undefined): boolean {
  return method !== 'GET' && method !== 'HEAD'
}
