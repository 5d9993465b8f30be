import express, { type Express } from 'express'
import { errorHandler, notFound } from './errors.js'
import { identify } from './identify.js'
import { route } from './route.js'
import { routes } from './routes.js'
import type { Service } from './service.js'

/** The HTTP side of an instance. */
export function createApp(service: Service): Express {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', false)
  app.use(identify(service))
  for (const { path, get, post } of routes) {
    route(app, path, {
      ...(get === undefined ? {} : { get: get(service) }),
      ...(post === undefined ? {} : { post: post(service) }),
    })
  }
  app.use(notFound)
  app.use(errorHandler(service))
  return app
}
