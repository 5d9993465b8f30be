import type { ArrayPool } from './array-pool.js'
import { KvCache, type CacheShape } from './kv-cache.js'
import type { PreparedRow } from './preparation.js'
import type { FromHelper, PieceRequest, Stage, ToHelper } from './worker-messages.js'

/** What a helper needs of a `Worker`. */
export interface HelperThread {
  postMessage(message: ToHelper, transfer?: ArrayBuffer[]): void
  on(event: 'message', listener: (message: FromHelper) => void): unknown
  on(event: 'error', listener: (error: unknown) => void): unknown
  on(event: 'exit', listener: (code: number) => void): unknown
}

/** More than these gain little, and each has a session of its own. */
const mostHelpers = 4

/** How many threads prepare side by side, and with how many threads each computes; one or none of them is of no use. */
export function helperPlan(threads: number, slots: number): { count: number; threads: number } {
  const count = Math.min(mostHelpers, threads, slots)
  return { count, threads: Math.floor(threads / count) }
}

/** Lengths of pieces that are prepared side by side differ by no more than this factor: they end together. */
const mostDifference = 1.25

/** Whether these pieces gain from being prepared side by side: each is ready later, all of them together sooner. */
export function gainSideBySide(pieces: readonly PieceRequest[]): boolean {
  if (pieces.some(({ isReadAlong, stream }) => isReadAlong || stream !== undefined)) return false
  const lengths = pieces.map(({ samples }) => samples.length)
  return Math.max(...lengths) <= mostDifference * Math.min(...lengths)
}

export interface HelperOptions {
  count: number
  start: () => HelperThread
  shape: CacheShape
  /** A piece that is prepared in less time is not worth it. */
  fromSeconds: number
  /** Seconds. */
  now: () => number
}

/** What ended a thread (no memory, most likely) may still be so; the batch does its work meanwhile. */
const restartAfterSeconds = 60

/**
 * Threads that prepare pieces side by side. On the same cores several pieces are prepared in less time with a part of
 * the cores each than one after the other with all of them: nobody waits at the end of every operation for the slowest
 * thread, and what one thread does alone (features, copies) leaves no core without work. Each thread has a session of
 * its own; the weights are mapped, hence shared. They start when they are of use, and stop when nothing is asked for.
 */
export class PreparationHelpers {
  readonly #options: HelperOptions
  #helpers: PreparationHelper[] = []
  #startedAt = 0

  constructor(options: HelperOptions) {
    this.#options = options
  }

  /** Those that are loaded, and alive. */
  get ready(): readonly PreparationHelper[] {
    return this.#helpers.filter(({ isReady }) => isReady)
  }

  /** Several pieces wait, and one takes so long to prepare. */
  wake(seconds: number): void {
    const { count, start, shape, fromSeconds, now } = this.#options
    if (count < 2 || seconds < fromSeconds) return
    const alive = this.#helpers.filter(({ isDead }) => !isDead)
    if (alive.length === count) return
    if (this.#helpers.length > 0 && now() - this.#startedAt < restartAfterSeconds) return
    this.#startedAt = now()
    const missing = Array.from({ length: count - alive.length }, () => new PreparationHelper(start(), shape))
    this.#helpers = [...alive, ...missing]
  }

  releaseMemory(): void {
    for (const helper of this.ready) helper.releaseMemory()
  }

  /** Nothing is being prepared; the next `wake` starts them anew. Resolves once they have ended. */
  async stop(): Promise<void> {
    const helpers = this.#helpers
    this.#helpers = []
    await Promise.all(helpers.map((helper) => helper.stop()))
  }
}

/** The thread is gone, for no fault of the piece that it prepared. */
export class HelperGone extends Error {}

/** One thread; prepares one piece at a time. */
export class PreparationHelper {
  readonly #thread: HelperThread
  readonly #shape: CacheShape
  #state: 'loading' | 'ready' | 'dead' = 'loading'
  #answered: { resolve: (answer: FromHelper) => void; reject: (error: unknown) => void } | undefined
  readonly #ended: Promise<void>

  constructor(thread: HelperThread, shape: CacheShape) {
    this.#thread = thread
    this.#shape = shape
    thread.on('message', (message) => {
      if (message.type === 'ready') this.#state = 'ready'
      else this.#answered?.resolve(message)
    })
    const die = (reason: unknown) => {
      this.#state = 'dead'
      this.#answered?.reject(new HelperGone(String(reason)))
    }
    thread.on('error', die)
    this.#ended = new Promise((resolve) => {
      thread.on('exit', (code) => {
        die(`a thread that prepares ended with code ${code}`)
        resolve()
      })
    })
  }

  get isReady(): boolean {
    return this.#state === 'ready'
  }

  get isDead(): boolean {
    return this.#state === 'dead'
  }

  /** As `prepareRow` does it; the memory of the row goes back to the thread once it is removed or adopted. */
  async *prepare(request: PieceRequest, alone: () => boolean): AsyncGenerator<Stage, PreparedRow> {
    this.#thread.postMessage({ type: 'begin', request })
    let isOver = false
    try {
      for (;;) {
        const answer = await this.#next(request.id, alone())
        if (answer.type === 'step') {
          yield answer.stage
          continue
        }
        isOver = true
        if (answer.type !== 'done')
          throw new Error(answer.type === 'failed' ? answer.message : 'an answer that was not asked for')
        const { row, first, promptTokens } = answer
        return { cache: KvCache.attach(this.#shape, row, this.#lender()), first, promptTokens }
      }
    } finally {
      if (!isOver) this.#thread.postMessage({ type: 'drop', id: request.id })
    }
  }

  releaseMemory(): void {
    this.#thread.postMessage({ type: 'release' })
  }

  /** Not `terminate`, which, while the thread loads or computes, ends the whole process: onnxruntime-node throws in C++ then. */
  stop(): Promise<void> {
    if (!this.isDead) this.#thread.postMessage({ type: 'close' })
    return this.#ended
  }

  #next(id: number, alone: boolean): Promise<FromHelper> {
    return new Promise<FromHelper>((resolve, reject) => {
      if (this.#state === 'dead') return reject(new HelperGone('a thread that prepares has ended'))
      this.#answered = { resolve, reject }
      this.#thread.postMessage({ type: 'next', id, alone })
    }).finally(() => (this.#answered = undefined))
  }

  #lender(): Pick<ArrayPool, 'take' | 'give'> {
    return {
      take: () => {
        throw new Error('a row that is lent does not grow')
      },
      give: (used) =>
        this.#thread.postMessage(
          { type: 'give', arrays: [...used] },
          used.map(({ buffer }) => buffer as ArrayBuffer),
        ),
    }
  }
}
