import type { IncomingMessage, ServerResponse } from 'node:http'
import { AsrError, errorCatalogue, toAsrError, type LiveStatus } from '@asr-cluster/protocol'
import { isTracing, noSpan, serverSpan, type TraceSpan } from '@asr-cluster/protocol/tracing'
import type { Backend } from '../backend/backend.js'
import { Departure } from '../departure.js'
import { newTrace, proxyRequest, type ProxyContext, type Trace } from '../exchange/proxy-request.js'
import type { AddressLimits } from '../limits/address-limits.js'
import { enterLimits } from '../limits/enter-limits.js'
import { yielded } from '../queue/scheduler.js'
import type { AdminDesk } from './admin-desk.js'
import type { Exchanges } from './exchanges.js'
import { checkFraming } from './framing.js'
import { clientAddress, isLow, requestIdOf } from './headers.js'
import { healthz, liveStatus, modelDetail, modelList, readyz } from './own-routes.js'
import { clientOf } from './key-ring.js'
import { reply, replyError, type Reply } from './respond.js'
import { findRoute, modelInPath, parseTarget, type Route, type RouteLabel } from './routes.js'

/** What the routes need of the balancer besides the data path. */
export interface HandlerContext extends ProxyContext {
  isDraining: () => boolean
  renderMetrics: () => Promise<string>
  liveStatus: () => LiveStatus
  /** The dashboard's file for a path; throws AsrError not_found. */
  dashboardFile: (pathname: string) => Reply
  members: () => readonly Backend[]
  modelNames: () => readonly string[]
  /** None where no address is limited. */
  addresses: AddressLimits | undefined
  admin: AdminDesk
  startedAtSeconds: number
  exchanges: Exchanges
  /** Called at the end of each answer, when somebody wants to know. */
  onAccess: ((entry: AccessEntry) => void) | undefined
}

export interface AccessEntry extends Trace {
  requestId: string
  method: string
  route: RouteLabel
  status: number
  durationMs: number
  address: string
}

/**
 * Whoever watches the process needs no key. Nor does the page, which asks for the key that its requests need. The admin
 * routes want another key than these.
 */
const openRoutes = new Set<Route['kind']>(['healthz', 'readyz', 'dashboard', 'admin'])

/** The request listener of the server; never rejects. */
export function createHandler(context: HandlerContext) {
  return (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void => {
    void handle(context, request, response, expectsContinue)
  }
}

async function handle(
  context: HandlerContext,
  request: IncomingMessage,
  response: ServerResponse,
  expectsContinue: boolean,
): Promise<void> {
  const requestId = requestIdOf(request)
  const target = parseTarget(request.url ?? '')
  const route = target && findRoute(target.pathname)
  const pathname = target?.pathname ?? ''
  const span = spanOf(request, route, requestId)
  const trace = newTrace()
  const startedAtMs = context.clock.nowMs()
  const departure = watchClient(context, { request, response, requestId, route, trace, span, startedAtMs })
  let leaveLimits: (() => void) | undefined
  try {
    checkFraming(request)
    const key = !route || !openRoutes.has(route.kind) ? context.keys.check(request) : undefined
    if (request.url === '*' && request.method === 'OPTIONS') {
      reply(request, response, noContent(requestId, 'GET, HEAD, POST, OPTIONS'))
      return
    }
    if (!target || !route) throw new AsrError('not_found', 'There is no such route.')
    if (!route.methods.includes(request.method ?? '')) {
      refuseMethod(request, response, route, pathname, requestId)
      return
    }
    if (route.kind === 'admin') {
      await context.admin.handle(request, response, target.path, requestId, expectsContinue)
      return
    }
    if (route.kind !== 'proxy' && route.kind !== 'light-proxy') {
      const answer = await ownRoute(context, route, pathname)
      reply(request, response, { ...answer, headers: { ...answer.headers, 'x-request-id': requestId } })
      return
    }
    const light = route.kind === 'light-proxy'
    if (context.isDraining() && !light)
      throw new AsrError('draining', 'The balancer is draining.', { retryAfterSeconds: 5 })
    leaveLimits = light ? undefined : enterLimits(clientAddress(request), key?.limiter, context)
    // Before the client can send its next request, which would else count beside this one.
    if (leaveLimits) response.once('close', leaveLimits)
    await proxyRequest(context, {
      request,
      response,
      requestId,
      path: target.path,
      client: clientOf(request, key),
      group: context.router.byHeader(request),
      light,
      low: isLow(request),
      expectsContinue,
      departure,
      trace,
      span,
    })
    if (departure.isPreempted && !response.headersSent) throw yielded()
  } catch (thrown) {
    const error = toAsrError(thrown)
    if (error.code === 'client_closed') {
      response.destroy()
      return
    }
    if (error.code === 'internal') context.log.error({ requestId, err: error.cause }, 'request failed')
    replyError(request, response, error, pathname, requestId)
  } finally {
    leaveLimits?.()
  }
}

async function ownRoute(context: HandlerContext, route: Route, pathname: string): Promise<Reply> {
  switch (route.kind) {
    case 'healthz':
      return healthz()
    case 'readyz': {
      const instancesUp = context.members().filter((backend) => backend.isServing()).length
      return readyz({ draining: context.isDraining(), instancesUp })
    }
    case 'websocket':
      throw new AsrError('invalid_request', 'This route needs a WebSocket upgrade.')
    case 'models':
      return modelList(context.modelNames(), context.startedAtSeconds)
    case 'model':
      return modelDetail(context.modelNames(), modelInPath(pathname), context.startedAtSeconds)
    case 'status':
      return liveStatus(context.liveStatus())
    case 'dashboard':
      return context.dashboardFile(pathname)
    case 'not-implemented':
      throw new AsrError('not_implemented', 'The models transcribe; they do not translate.')
    default: {
      const body = await context.renderMetrics()
      return { status: 200, headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }, body }
    }
  }
}

function refuseMethod(
  request: IncomingMessage,
  response: ServerResponse,
  route: Route,
  pathname: string,
  requestId: string,
): void {
  const allow = [...route.methods, 'OPTIONS'].join(', ')
  if (request.method === 'OPTIONS') {
    reply(request, response, noContent(requestId, allow))
    return
  }
  response.setHeader('allow', allow)
  const error = new AsrError('method_not_allowed', `This route takes ${route.methods.join(' or ')}.`)
  replyError(request, response, error, pathname, requestId)
}

function noContent(requestId: string, allow: string): Reply {
  return { status: 204, headers: { 'x-request-id': requestId, allow }, body: '' }
}

/** Tells when the client leaves before its answer is complete, and reports the end of the answer. */
function watchClient(context: HandlerContext, about: Ended): Departure {
  const departure = new Departure()
  context.exchanges.add(about.response, () => {
    if (!about.response.writableFinished) departure.announce()
    ended(context, about)
  })
  return departure
}

/** Only work is traced: probes, scrapes and the dashboard would bury it. */
function spanOf(request: IncomingMessage, route: Route | undefined, requestId: string): TraceSpan {
  if (!isTracing || route?.kind !== 'proxy') return noSpan
  const method = request.method ?? ''
  const attributes = { 'http.request.method': method, 'http.route': route.label, 'asr.request_id': requestId }
  return serverSpan(`${method} ${route.label}`, request.headers, attributes)
}

interface Ended {
  request: IncomingMessage
  response: ServerResponse
  requestId: string
  route: Route | undefined
  trace: Trace
  span: TraceSpan
  startedAtMs: number
}

function ended(context: HandlerContext, about: Ended): void {
  const { request, response, requestId, trace } = about
  const status = statusOf(response, trace)
  const durationMs = context.clock.nowMs() - about.startedAtMs
  const isLowWork = about.route?.kind === 'proxy' && isLow(request)
  about.span.end(
    { 'http.response.status_code': status, 'asr.instance': trace.instance, 'asr.tries': trace.tries },
    status >= 500 || status === 499 ? String(status) : undefined,
  )
  const route = isLowWork ? 'low-priority' : (about.route?.label ?? 'other')
  context.metrics.answered(route, status, durationMs / 1_000)
  if (!context.onAccess) return
  const address = clientAddress(request)
  context.onAccess({
    ...trace,
    requestId,
    method: request.method ?? '',
    route,
    status,
    durationMs,
    address,
  })
}

/** An answer that its client has not got whole counts as what kept it from that, whatever its head said. */
function statusOf(response: ServerResponse, { cutBy }: Trace): number {
  if (response.writableFinished) return response.statusCode
  return errorCatalogue[cutBy ?? 'client_closed'].status
}
