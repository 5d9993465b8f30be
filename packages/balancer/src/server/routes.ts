/** Label values of `asr_requests_total{route}`: a closed set, so that no client can grow it. */
export type RouteLabel =
  | '/asr'
  | '/v1/audio/transcriptions'
  | '/v1/audio/translations'
  | '/v1/models'
  | '/v1/realtime'
  | '/health'
  | '/healthz'
  | '/readyz'
  | '/metrics'
  | '/openapi.json'
  | '/api/status'
  | '/api/admin'
  | '/'
  /** Work of low priority, which is refused while others need the slots: no measure of what users see. */
  | 'low-priority'
  | 'other'

export interface Route {
  label: RouteLabel
  methods: readonly string[]
  /** `proxy` goes to an instance with a free slot, `light-proxy` to any; the others are answered here. */
  kind:
    | 'proxy'
    | 'light-proxy'
    | 'websocket'
    | 'models'
    | 'model'
    | 'not-implemented'
    | 'healthz'
    | 'readyz'
    | 'metrics'
    | 'status'
    | 'admin'
    | 'dashboard'
}

const read = ['GET', 'HEAD'] as const

const routes: Record<string, Route> = {
  '/asr': { label: '/asr', methods: ['POST'], kind: 'proxy' },
  '/v1/audio/transcriptions': { label: '/v1/audio/transcriptions', methods: ['POST'], kind: 'proxy' },
  '/v1/audio/translations': { label: '/v1/audio/translations', methods: ['POST'], kind: 'not-implemented' },
  '/health': { label: '/health', methods: read, kind: 'light-proxy' },
  '/openapi.json': { label: '/openapi.json', methods: read, kind: 'light-proxy' },
  '/v1/models': { label: '/v1/models', methods: read, kind: 'models' },
  '/v1/realtime': { label: '/v1/realtime', methods: ['GET'], kind: 'websocket' },
  '/healthz': { label: '/healthz', methods: read, kind: 'healthz' },
  '/readyz': { label: '/readyz', methods: read, kind: 'readyz' },
  '/metrics': { label: '/metrics', methods: read, kind: 'metrics' },
  '/api/status': { label: '/api/status', methods: read, kind: 'status' },
  '/api/admin/scale': { label: '/api/admin', methods: ['POST'], kind: 'admin' },
  '/api/admin/start': { label: '/api/admin', methods: ['POST'], kind: 'admin' },
  '/api/admin/stop': { label: '/api/admin', methods: ['POST'], kind: 'admin' },
  '/api/admin/restart': { label: '/api/admin', methods: ['POST'], kind: 'admin' },
  '/api/admin/logs': { label: '/api/admin', methods: ['GET'], kind: 'admin' },
  '/': { label: '/', methods: read, kind: 'dashboard' },
}

/** `GET /v1/models/{model}`; the name of a model may have slashes. */
const modelRoute: Route = { label: '/v1/models', methods: read, kind: 'model' }
const modelPrefix = '/v1/models/'

/** Files of the dashboard besides the page itself. */
const assetsRoute: Route = { label: '/', methods: read, kind: 'dashboard' }

export function findRoute(pathname: string): Route | undefined {
  if (Object.hasOwn(routes, pathname)) return routes[pathname]
  if (pathname.startsWith('/assets/')) return assetsRoute
  return pathname.length > modelPrefix.length && pathname.startsWith(modelPrefix) ? modelRoute : undefined
}

/** The name in a path of `modelRoute`; as it stands when its percent-encoding is broken. */
export function modelInPath(pathname: string): string {
  const name = pathname.slice(modelPrefix.length)
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

export interface Target {
  pathname: string
  /** Origin form for the instance: path and query. */
  path: string
}

/** Path of a request target in origin form or absolute form (RFC 9112 §3.2); undefined when it is neither. */
export function parseTarget(target: string): Target | undefined {
  const absolute = /^https?:\/\/[^/?#]*/i.exec(target)
  const rest = absolute ? target.slice(absolute[0].length) : target
  const path = absolute && !rest.startsWith('/') ? `/${rest}` : rest
  if (!path.startsWith('/') || path.includes('#')) return undefined
  const query = path.indexOf('?')
  return { pathname: query < 0 ? path : path.slice(0, query), path }
}
