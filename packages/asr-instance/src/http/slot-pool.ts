import { AsrError, clientClosed } from '@asr-cluster/protocol'

export interface SlotTimer {
  set(callback: () => void, delayMs: number): unknown
  clear(handle: unknown): void
}

const realTimer: SlotTimer = {
  set: (callback, delayMs) => setTimeout(callback, delayMs),
  clear: (handle) => clearTimeout(handle as NodeJS.Timeout),
}

/**
 * Counts the requests in flight. One too many waits for `graceMs` before it is refused: a balancer that saw its
 * client go away may send the next request before this process has noticed that the old one ended.
 */
export class SlotPool {
  readonly #graceMs: number
  readonly #timer: SlotTimer
  #capacity = 0
  #inFlight = 0
  /** First in, first out. */
  readonly #waiting = new Set<() => void>()

  constructor(options: { graceMs: number; timer?: SlotTimer }) {
    this.#graceMs = options.graceMs
    this.#timer = options.timer ?? realTimer
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** 0 until the engine is there. */
  set capacity(slots: number) {
    this.#capacity = slots
  }

  /** Resolves to the function that gives the slot back (once). Throws AsrError slots_full or client_closed. */
  async acquire(signal: AbortSignal): Promise<() => void> {
    if (this.#inFlight >= this.#capacity) await this.#wait(signal)
    else this.#inFlight++
    let released = false
    return () => {
      if (released) return
      released = true
      this.#release()
    }
  }

  #wait(signal: AbortSignal): Promise<void> {
    // As many as there are slots may wait: each of them may stand for a client that just left.
    if (this.#waiting.size >= this.#capacity) return Promise.reject(this.#full())
    return new Promise((resolve, reject) => {
      const settle = () => {
        this.#timer.clear(timer)
        signal.removeEventListener('abort', onAbort)
        this.#waiting.delete(grant)
      }
      const grant = () => {
        settle()
        resolve()
      }
      const onAbort = () => {
        settle()
        reject(clientClosed())
      }
      const timer = this.#timer.set(() => {
        settle()
        reject(this.#full())
      }, this.#graceMs)
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(grant)
    })
  }

  #release(): void {
    const next = this.#waiting.values().next()
    // The slot goes from hand to hand, so that nobody slips in between.
    if (!next.done) next.value()
    else this.#inFlight--
  }

  #full(): AsrError {
    const message = `All ${this.#capacity} slots of this instance are in use.`
    return new AsrError('slots_full', message, { retryAfterSeconds: 1 })
  }
}
