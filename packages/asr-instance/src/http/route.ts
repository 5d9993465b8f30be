import { AsrError } from '@asr-cluster/protocol'
import type { Express, Request, RequestHandler, Response } from 'express'

export type Handler = (req: Request, res: Response) => void | Promise<void>

/** Registers the methods of a path; any other method is a 405 that names them. */
export function route(app: Express, path: string, handlers: { get?: Handler; post?: Handler }): void {
  const methods: string[] = []
  if (handlers.get) methods.push('GET', 'HEAD')
  if (handlers.post) methods.push('POST')
  if (handlers.get) app.get(path, handlers.get as RequestHandler)
  if (handlers.post) app.post(path, handlers.post as RequestHandler)
  app.all(path, (req, res) => {
    res.setHeader('allow', [...methods, 'OPTIONS'].join(', '))
    if (req.method === 'OPTIONS') {
      res.status(204).end()
      return
    }
    throw new AsrError(
      'method_not_allowed',
      `${req.method} is not possible on ${path}; use ${methods.join(' or ')}.`,
    )
  })
}
