import type { NextFunction, Request, Response } from 'express'
import { identityHeader, identityMark } from '@asr-cluster/protocol'
import type { Logger } from 'pino'
import { requestIdFor } from './request-id.js'
import type { Service } from './service.js'

/** What every handler finds in `res.locals`. */
export interface RequestLocals {
  requestId: string
  log: Logger
}

/** Names the request and the instance in every response, whatever becomes of it. */
export function identify(service: Service) {
  const { identity } = service.options
  const mark = identity === undefined ? undefined : identityMark(identity)
  return (req: Request, res: Response, next: NextFunction): void => {
    const requestId = requestIdFor(req.headers['x-request-id'])
    const locals: RequestLocals = { requestId, log: service.options.log.child({ requestId }) }
    Object.assign(res.locals, locals)
    res.setHeader('x-request-id', requestId)
    res.setHeader('x-asr-instance', service.options.id)
    if (mark !== undefined) res.setHeader(identityHeader, mark)
    // A connection that stays open would keep a draining process alive.
    if (service.draining) res.setHeader('connection', 'close')
    next()
  }
}

export function localsOf(res: Response): RequestLocals {
  return res.locals as RequestLocals
}
