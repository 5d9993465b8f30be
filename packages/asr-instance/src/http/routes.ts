import { AsrError } from '@asr-cluster/protocol'
import { asrRoute } from './asr-route.js'
import { openApiDocument } from './openapi.js'
import type { Handler } from './route.js'
import type { Service } from './service.js'
import { healthRoute, metricsJsonRoute, metricsRoute, modelRoute, modelsRoute } from './status-routes.js'
import { transcriptionsRoute } from './transcriptions-route.js'

export interface RouteEntry {
  /** As Express writes it. */
  path: string
  get?: (service: Service) => Handler
  post?: (service: Service) => Handler
}

/** All routes of an instance; openapi.ts describes each of them. */
export const routes: readonly RouteEntry[] = [
  { path: '/asr', post: asrRoute },
  { path: '/v1/audio/transcriptions', post: transcriptionsRoute },
  { path: '/v1/audio/translations', post: () => refuseTranslation },
  { path: '/v1/models', get: modelsRoute },
  { path: '/v1/models/*model', get: modelRoute },
  { path: '/v1/realtime', get: () => refusePlainHttp },
  { path: '/health', get: healthRoute },
  { path: '/metrics', get: metricsRoute },
  { path: '/metrics.json', get: metricsJsonRoute },
  { path: '/openapi.json', get: () => (_req, res) => void res.json(openApiDocument()) },
]

function refusePlainHttp(): never {
  throw new AsrError('invalid_request', 'This route is a WebSocket: connect with wss:// or ws://.')
}

function refuseTranslation(): never {
  throw new AsrError('not_implemented', 'This model transcribes; it does not translate.')
}
