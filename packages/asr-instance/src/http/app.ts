import { AsrError } from '@asr-cluster/protocol'
import express, { type Express } from 'express'
import { asrRoute } from './asr-route.js'
import { errorHandler, notFound } from './errors.js'
import { identify } from './identify.js'
import { route } from './route.js'
import type { Service } from './service.js'
import { healthRoute, metricsJsonRoute, metricsRoute, modelRoute, modelsRoute } from './status-routes.js'
import { transcriptionsRoute } from './transcriptions-route.js'

/** All routes of an instance. */
export function createApp(service: Service): Express {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', false)
  app.use(identify(service))
  route(app, '/asr', { post: asrRoute(service) })
  route(app, '/v1/audio/transcriptions', { post: transcriptionsRoute(service) })
  route(app, '/v1/audio/translations', {
    post: () => {
      throw new AsrError('not_implemented', 'This model transcribes; it does not translate.')
    },
  })
  route(app, '/v1/models', { get: modelsRoute(service) })
  route(app, '/v1/models/*model', { get: modelRoute(service) })
  route(app, '/health', { get: healthRoute(service) })
  route(app, '/metrics', { get: metricsRoute(service) })
  route(app, '/metrics.json', { get: metricsJsonRoute(service) })
  app.use(notFound)
  app.use(errorHandler(service))
  return app
}
