import { Worker } from 'node:worker_threads'
import type { LogMel } from './log-mel.js'

/** What a worker thread has to have here. */
export type FeatureThread = Pick<Worker, 'postMessage' | 'on' | 'unref'>

/**
 * Features in threads of their own, for an engine whose thread has a GPU to feed: those of one piece take longer than the
 * GPU needs for all else of it. A thread that dies takes the process with it, as the engine's does.
 */
export class FeatureThreads {
  readonly #threads: { thread: FeatureThread; waiting: ((mel: LogMel) => void)[] }[]
  /** Of samples that wait for their turn on the GPU. */
  readonly #early = new WeakMap<Float32Array, Promise<LogMel>>()

  constructor(count: number, start: () => FeatureThread = startThread) {
    this.#threads = Array.from({ length: count }, () => {
      const thread = start()
      const waiting: ((mel: LogMel) => void)[] = []
      thread.on('message', (mel: LogMel) => waiting.shift()!(mel))
      // The engine has other reasons to stay.
      thread.unref()
      return { thread, waiting }
    })
  }

  /** `extract` will be asked for them. */
  prefetch(samples: Float32Array): void {
    this.#early.set(samples, this.#compute(samples))
  }

  /** Mono samples at 16 kHz, which are copied. */
  extract(samples: Float32Array): Promise<LogMel> {
    return this.#early.get(samples) ?? this.#compute(samples)
  }

  #compute(samples: Float32Array): Promise<LogMel> {
    const { thread, waiting } = this.#threads.reduce((a, b) => (b.waiting.length < a.waiting.length ? b : a))
    return new Promise((resolve) => {
      waiting.push(resolve)
      thread.postMessage(samples)
    })
  }
}

/** A quarter of the processors: with more the copies to and fro are what counts. */
export function featureThreadCount(processors: number): number {
  return Math.max(1, Math.min(4, Math.floor(processors / 4)))
}

function startThread(): Worker {
  return new Worker(new URL('./feature-worker.js', import.meta.url))
}
