import { basename } from 'node:path'
import { AsrError, type Health } from '@asr-cluster/protocol'
import type { Logger } from 'pino'
import type { Engine } from '../engine/engine.js'
import type { InstanceMetrics } from '../metrics.js'
import { SlotPool } from './slot-pool.js'

export interface ServiceOptions {
  /** Value of `x-asr-instance` and of the label `instance`. */
  id: string
  /** Secret of this life, told by the supervisor; `/health` answers with it. */
  identity: string | undefined
  maxBodyBytes: number
  maxDurationSeconds: number
  /** Names by which clients may ask for the model, besides its own. */
  servedModelNames: readonly string[]
  metrics: InstanceMetrics
  log: Logger
  now: () => Date
  slots?: SlotPool
  /** Where ffmpeg is looked for. */
  path?: string | undefined
}

/** What all routes share: the engine once it is there, the slots, and whether this process is on its way out. */
export class Service {
  readonly options: ServiceOptions
  readonly slots: SlotPool
  readonly startedAt: Date
  #engine: Engine | null = null
  #draining = false
  #broken = false
  readonly #drainListeners = new Set<() => void>()

  constructor(options: ServiceOptions) {
    this.options = options
    this.slots = options.slots ?? new SlotPool({ graceMs: 250 })
    this.startedAt = options.now()
  }

  get loaded(): boolean {
    return this.#engine !== null
  }

  get draining(): boolean {
    return this.#draining
  }

  /** The engine died: this process is about to end. */
  get broken(): boolean {
    return this.#broken
  }

  setReady(engine: Engine): void {
    this.#engine = engine
    this.slots.capacity = engine.slots
  }

  startDraining(): void {
    this.#draining = true
    for (const listener of this.#drainListeners) listener()
  }

  /** For work that has no natural end. Returns the function that forgets the listener. */
  onDrain(listener: () => void): () => void {
    this.#drainListeners.add(listener)
    return () => this.#drainListeners.delete(listener)
  }

  setBroken(): void {
    this.#broken = true
  }

  async closeEngine(): Promise<void> {
    await this.#engine?.close()
  }

  /** Throws AsrError `draining` or `no_instance_ready`. */
  requireEngine(): Engine {
    if (this.#draining) {
      throw new AsrError('draining', 'This instance is shutting down.', { retryAfterSeconds: 1 })
    }
    if (this.#engine === null) {
      throw new AsrError('no_instance_ready', 'The model is still being loaded.', { retryAfterSeconds: 2 })
    }
    return this.#engine
  }

  /** The first is the one by which the model is listed. Empty before the model is loaded. */
  get modelNames(): readonly string[] {
    if (this.#engine === null) return []
    const { name } = this.#engine.model
    return [...new Set([...this.options.servedModelNames, name, basename(name)])]
  }

  /** Throws AsrError `model_not_found` for a name that is not served here; an empty one means the only model. */
  requireModel(name: string): void {
    const served = this.modelNames
    if (name === '' || served.includes(name)) return
    throw new AsrError(
      'model_not_found',
      `The model \`${name.slice(0, 200)}\` is not served here. Served: ${served.join(', ')}.`,
      { param: 'model' },
    )
  }

  health(): Health {
    const { id, identity, now } = this.options
    const engine = this.#engine
    return {
      status: this.#draining ? 'draining' : engine === null ? 'starting' : 'healthy',
      timestamp: now().toISOString(),
      instance: id,
      ...(identity === undefined ? {} : { identity }),
      inFlight: this.slots.inFlight,
      ...(engine === null
        ? {}
        : { model: engine.model.name, slots: engine.slots, progress: Math.floor(engine.progress) }),
    }
  }
}
