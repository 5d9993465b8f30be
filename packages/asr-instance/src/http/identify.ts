import type { NextFunction, Request, Response } from 'express'
import type { Logger } from 'pino'
import { originHeaders } from './origin-headers.js'
import { requestIdFor } from './request-id.js'
import type { Service } from './service.js'

/** What every handler finds in `res.locals`. */
export interface RequestLocals {
  requestId: string
  log: Logger
}

/** Names the request and the instance in every response, whatever becomes of it. */
export function identify(service: Service) {
  const origin = originHeaders(service.options)
  return (req: Request, res: Response, next: NextFunction): void => {
    const requestId = requestIdFor(req.headers['x-request-id'])
    const locals: RequestLocals = { requestId, log: service.options.log.child({ requestId }) }
    Object.assign(res.locals, locals)
    res.setHeader('x-request-id', requestId)
    for (const name in origin) res.setHeader(name, origin[name] as string)
    // A connection that stays open would keep a draining process alive.
    if (service.draining) res.setHeader('connection', 'close')
    next()
  }
}

export function localsOf(res: Response): RequestLocals {
  return res.locals as RequestLocals
}
