import { probeHeader } from '@asr-cluster/protocol'
import type { Request, Response } from 'express'
import type { Service } from './service.js'

export function healthRoute(service: Service) {
  return (req: Request, res: Response): void => {
    const { identity, ...health } = service.health()
    if (health.status !== 'healthy') res.setHeader('retry-after', '2')
    res.status(health.status === 'healthy' ? 200 : 503).json({
      ...health,
      // For probes only: whoever knows it can pass for this instance.
      ...(identity !== undefined && req.headers[probeHeader] === '1' ? { identity } : {}),
    })
  }
}

export function metricsRoute(service: Service) {
  const { registry } = service.options.metrics
  return async (_req: Request, res: Response): Promise<void> => {
    res.type(registry.contentType).send(await registry.metrics())
  }
}

/** The same series for the balancer, which merges those of all instances. */
export function metricsJsonRoute(service: Service) {
  return async (_req: Request, res: Response): Promise<void> => {
    res.json(await service.options.metrics.registry.getMetricsAsJSON())
  }
}

export function modelsRoute(service: Service) {
  return (_req: Request, res: Response): void => {
    res.json({ object: 'list', data: describeModels(service) })
  }
}

export function modelRoute(service: Service) {
  return (req: Request, res: Response): void => {
    const id = ([] as string[]).concat(req.params['model'] ?? []).join('/')
    const models = describeModels(service)
    service.requireModel(id)
    res.json(models.find((model) => model.id === id))
  }
}

function describeModels(
  service: Service,
): { id: string; object: string; created: number; owned_by: string }[] {
  service.requireEngine()
  const created = Math.floor(service.startedAt.getTime() / 1000)
  return service.modelNames.map((id) => ({ id, object: 'model', created, owned_by: 'asr-cluster' }))
}
