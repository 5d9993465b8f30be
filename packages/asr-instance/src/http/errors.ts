import { AsrError, renderError, toAsrError } from '@asr-cluster/protocol'
import type { NextFunction, Request, Response } from 'express'
import { bodyNeverStarted, discardBody } from './early-answer.js'
import { localsOf } from './identify.js'
import type { Service } from './service.js'

export function notFound(req: Request, _res: Response, next: NextFunction): void {
  next(new AsrError('not_found', `There is no route ${req.method} ${req.path.slice(0, 200)}.`))
}

/** The one place where an error becomes a response. */
export function errorHandler(service: Service) {
  // Express knows an error handler by its four parameters.
  return (thrown: unknown, req: Request, res: Response, _next: NextFunction): void => {
    const error = fromExpress(thrown) ?? toAsrError(thrown)
    logError(error, req, res)
    if (res.destroyed || res.writableEnded) return
    // Without its engine this process is about to end, and a broken connection is what a balancer sends again.
    // After the status was sent, too, nothing else says that the answer is not whole.
    if ((service.broken && error.status >= 500) || res.headersSent) {
      res.destroy()
      return
    }
    const { status, headers, body } = renderError(error, req.path)
    const silentBody = bodyNeverStarted(req)
    // The client was never told to send its body and may do so all the same: no further request fits in.
    if (silentBody) res.setHeader('connection', 'close')
    res.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) })
    res.end(req.method === 'HEAD' ? undefined : body)
    if (!silentBody) discardBody(req)
  }
}

function logError(error: AsrError, req: Request, res: Response): void {
  const { log } = localsOf(res)
  const record = {
    route: req.path.slice(0, 200),
    code: error.code,
    status: error.status,
    reason: error.message,
  }
  if (error.status >= 500) log.error({ ...record, err: error.cause ?? error }, 'request failed')
  else log.info(record, 'request refused')
}

/** Express throws errors with a status of its own, for example for `%zz` in a path. */
function fromExpress(thrown: unknown): AsrError | null {
  if (thrown instanceof AsrError || !(thrown instanceof Error)) return null
  const status = 'status' in thrown ? Number(thrown.status) : 500
  return status >= 400 && status < 500
    ? new AsrError('invalid_request', 'The request cannot be understood.', { cause: thrown })
    : null
}
