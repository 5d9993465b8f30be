import { environment, exitCodes } from '@asr-cluster/protocol'
import type { Logger } from 'pino'
import { ConfigurationError } from './configuration-error.js'
import type { CreateEngineOptions } from './engine/create-engine.js'
import type { Engine } from './engine/engine.js'
import { DeviceError } from './engine/runtime/device-errors.js'
import { createGuard } from './guard/create-guard.js'
import { startServer, type InstanceServer } from './http/server.js'
import { Service } from './http/service.js'
import { createMetrics } from './metrics.js'
import type { InstanceOptions } from './options.js'
import type { SupervisorLink } from './supervisor-link.js'

export interface InstanceWorld {
  env: NodeJS.ProcessEnv
  supervisor: SupervisorLink
  log: Logger
  /** For the operator; must be written when this returns. */
  writeError(text: string): void
  now(): Date
  createEngine(options: CreateEngineOptions): Promise<Engine>
  /** Resolves when the process is asked to stop. */
  stopRequested: Promise<void>
}

/**
 * How the process must end. Exiting while the engine's thread is inside native code aborts with a core dump, so
 * where that can be, the process ends by a signal instead of an exit code.
 */
export type InstanceEnd = number | 'SIGTERM' | 'SIGKILL'

/**
 * The life of an instance. The port opens before the model is loaded, so that probes see life.
 * Resolves to 0 after a drain, 75 port taken, 76 device lost or missing, 78 wrong configuration, 1 engine failed, SIGTERM when stopped while
 * loading, SIGKILL when the supervisor is gone or the device hangs.
 */
export async function runInstance(options: InstanceOptions, world: InstanceWorld): Promise<InstanceEnd> {
  const parentLost = world.supervisor.lost.then((): InstanceEnd => {
    world.log.warn('the supervisor is gone')
    return 'SIGKILL'
  })
  return Promise.race([parentLost, serve(options, world)])
}

async function serve(options: InstanceOptions, world: InstanceWorld): Promise<InstanceEnd> {
  const { log } = world
  const metrics = createMetrics(options.id)
  const service = new Service({
    id: options.id,
    identity: world.env[environment.identity],
    maxBodyBytes: options.maxBodyBytes,
    maxDurationSeconds: options.maxDurationSeconds,
    servedModelNames: options.servedModelNames,
    metrics,
    log,
    now: () => world.now(),
  })
  let server: InstanceServer
  try {
    const guard = await createGuard(options.allowUsers, { identity: service.options.identity, log })
    server = await startServer(service, options, guard)
  } catch (error) {
    return listenFailure(error as NodeJS.ErrnoException, options, world)
  }
  log.info({ url: `http://${options.host}:${server.port}`, model: options.modelDir }, 'listening')
  const died = new Promise<Error>((resolve) => {
    void loadEngine(options, world, service, metrics.engine, server.port, resolve)
  })
  const end = await Promise.race([died, world.stopRequested])
  if (end instanceof Error) return fatal(world, end)
  const stopped = stop(world, service, server)
  stopped.catch(() => {})
  // Requests of an engine that dies now may never end.
  const last = await Promise.race([died, stopped])
  return last instanceof Error ? fatal(world, last) : last
}

async function stop({ log }: InstanceWorld, service: Service, server: InstanceServer): Promise<InstanceEnd> {
  log.info({ inFlight: service.slots.inFlight }, 'draining')
  service.startDraining()
  await server.drain()
  if (!service.loaded) return 'SIGTERM'
  await service.closeEngine()
  log.info('stopped')
  return 0
}

/** Calls `onDeath` if the engine does not come up, or dies later. */
async function loadEngine(
  options: InstanceOptions,
  world: InstanceWorld,
  service: Service,
  metrics: CreateEngineOptions['metrics'],
  port: number,
  onDeath: (error: Error) => void,
): Promise<void> {
  const { supervisor, log } = world
  try {
    const engine = await world.createEngine({
      modelDir: options.modelDir,
      quantization: options.quantization,
      device: options.device,
      slots: options.slots,
      threads: options.threads,
      cacheDir: options.cacheDir,
      sharesCores: world.env[environment.supervisorPid] !== undefined,
      onProgress: (stage, ratio, detail) => supervisor.send({ type: 'progress', stage, ratio, detail }),
      onWarning: (message) => log.warn(message),
      metrics,
      onFatal: (error) => {
        service.setBroken()
        onDeath(error)
      },
    })
    service.setReady(engine)
    supervisor.send({ type: 'ready', port, slots: engine.slots, model: engine.model.name })
    log.info({ ...engine.model, languages: engine.model.languages.length, slots: engine.slots }, 'ready')
  } catch (error) {
    onDeath(error as Error)
  }
}

function fatal(world: InstanceWorld, error: Error): InstanceEnd {
  const isConfiguration = error instanceof ConfigurationError
  world.writeError(`asr-instance: ${isConfiguration ? error.message : (error.stack ?? error.message)}\n`)
  if (error instanceof DeviceError) {
    world.supervisor.send({ type: 'fatal', code: 'device', message: error.message })
    return error.hung ? 'SIGKILL' : exitCodes.device
  }
  const code = isConfiguration ? 'configuration' : 'engine'
  world.supervisor.send({ type: 'fatal', code, message: error.message })
  return isConfiguration ? exitCodes.configuration : 1
}

function listenFailure(
  error: NodeJS.ErrnoException,
  options: InstanceOptions,
  world: InstanceWorld,
): InstanceEnd {
  if (error instanceof ConfigurationError) return fatal(world, error)
  const address = `${options.host}:${options.port}`
  if (error.code === 'EADDRINUSE') {
    const message = `the port of ${address} is in use by another process`
    world.writeError(`asr-instance: ${message}\n`)
    world.supervisor.send({ type: 'fatal', code: 'port_in_use', message })
    return exitCodes.portInUse
  }
  return fatal(world, new ConfigurationError(`cannot listen on ${address}: ${error.message}`))
}
