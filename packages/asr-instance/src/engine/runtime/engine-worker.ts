import { Worker } from 'node:worker_threads'
import { AsrError, clientClosed } from '@asr-cluster/protocol'
import type { EngineMetrics } from '../../metrics.js'
import { DeviceError } from './device-errors.js'
import { disableTelemetry } from './disable-telemetry.js'
import type {
  FinishReason,
  FromWorker,
  PieceRequest,
  StageAge,
  ToWorker,
  WorkerOptions,
} from './worker-messages.js'

export interface DecodedPiece {
  tokens: number[]
  logprobs: number[]
  reason: FinishReason
  promptTokens: number
  stages: StageAge[]
}

/** Longer than any step takes, the compilation of shaders at the first one included. */
const hangTimeoutMs = 120_000
/** A step and the loading of a thread that prepares may be under way. */
const longestCloseMs = 10_000

interface Pending {
  tokens: number[]
  logprobs: number[]
  onTokens: (tokens: readonly number[]) => void
  resolve: (piece: DecodedPiece) => void
  reject: (error: Error) => void
}

export interface EngineWorkerOptions extends WorkerOptions {
  metrics: EngineMetrics
  onLoading: (ratio: number, detail: string) => void
  /** The thread died after it was ready: nothing works any more and the process should end. */
  onFatal: (error: Error) => void
}

/** The main thread's side of the engine's worker thread. */
export class EngineWorker {
  readonly #worker: Worker
  readonly #metrics: EngineMetrics
  readonly #pending = new Map<number, Pending>()
  readonly #ended: Promise<void>
  #nextId = 0
  #nextStream = 0
  #closing = false
  progress = 0
  /** When the thread last did something, or was given something to do. */
  #lastSign = 0

  private constructor(worker: Worker, metrics: EngineMetrics) {
    this.#worker = worker
    this.#metrics = metrics
    this.#ended = new Promise((resolve) => worker.once('exit', () => resolve()))
  }

  static async start({
    metrics,
    onLoading,
    onFatal,
    ...workerOptions
  }: EngineWorkerOptions): Promise<EngineWorker> {
    disableTelemetry()
    const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: workerOptions })
    const engine = new EngineWorker(worker, metrics)
    await new Promise<void>((resolve, reject) => {
      let ready = false
      const fail = (error: Error) => {
        if (!ready) return reject(error)
        engine.#failAll(error)
        if (!engine.#closing) onFatal(error)
      }
      // A kernel that never ends is one of a GPU; a step of the processor only takes its time.
      if (workerOptions.device !== 'cpu') engine.#watch(fail)
      worker.on('error', (error) => fail(error as Error))
      worker.on('exit', (code) => fail(new Error(`the engine's thread ended with code ${code}`)))
      worker.on('message', (message: FromWorker) => {
        if (message.type === 'device-failed') fail(new DeviceError(message.message))
        else if (message.type === 'ready') {
          ready = true
          resolve()
        } else if (message.type === 'loading') onLoading(message.ratio, message.detail)
        else engine.#handle(message)
      })
    })
    return engine
  }

  /** Decodes one piece. `request.samples` is transferred. Rejects with `client_closed` once `signal` aborts. */
  decode(
    request: Omit<PieceRequest, 'id'>,
    signal: AbortSignal,
    onTokens: (tokens: readonly number[]) => void,
  ): Promise<DecodedPiece> {
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#pending.delete(id)
        this.#send({ type: 'cancel', id })
        reject(clientClosed())
      }
      if (signal.aborted) return abort()
      signal.addEventListener('abort', abort, { once: true })
      const settle = () => signal.removeEventListener('abort', abort)
      this.#pending.set(id, {
        tokens: [],
        logprobs: [],
        onTokens,
        resolve: (piece) => (settle(), resolve(piece)),
        reject: (error) => (settle(), reject(error)),
      })
      if (this.#pending.size === 1) this.#lastSign = performance.now()
      this.#send({ type: 'piece', id, ...request }, [request.samples.buffer as ArrayBuffer])
    })
  }

  /** A growing recording begins; its parts are decoded with this number as `stream`. */
  openStream(): number {
    return this.#nextStream++
  }

  closeStream(stream: number): void {
    this.#send({ type: 'forget', stream })
  }

  /** Requests that run fail. */
  async close(): Promise<void> {
    this.#closing = true
    this.#send({ type: 'close' })
    // One that is terminated while it computes takes the process with it (onnxruntime-node throws in C++), so only one that
    // hangs is.
    const timer = setTimeout(() => void this.#worker.terminate(), longestCloseMs)
    await this.#ended
    clearTimeout(timer)
  }

  #send(message: ToWorker, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transfer)
  }

  #watch(fail: (error: Error) => void): void {
    const timer = setInterval(() => {
      if (this.#closing) return clearInterval(timer)
      if (this.#pending.size === 0 || performance.now() - this.#lastSign < hangTimeoutMs) return
      clearInterval(timer)
      fail(new DeviceError(`the device has not answered for ${hangTimeoutMs / 1000} s`, true))
    }, hangTimeoutMs / 10).unref()
  }

  #handle(message: Exclude<FromWorker, { type: 'ready' | 'loading' | 'device-failed' }>): void {
    this.progress++
    this.#lastSign = performance.now()
    if (message.type === 'step') {
      this.#metrics.inferenceSeconds(message.stage, message.seconds)
      if (message.stage === 'decode') this.#metrics.batchSize(message.batch)
      return
    }
    const pending = this.#pending.get(message.id)
    if (!pending) return // cancelled a moment ago
    if (message.type === 'tokens') {
      pending.tokens.push(...message.tokens)
      pending.logprobs.push(...message.logprobs)
      this.#metrics.tokens(message.tokens.length)
      pending.onTokens(message.tokens)
      return
    }
    this.#pending.delete(message.id)
    if (message.type === 'failed') {
      pending.reject(
        new AsrError('internal', 'The engine failed on this recording.', { cause: message.message }),
      )
    } else {
      const { tokens, logprobs } = pending
      const { reason, promptTokens, stages } = message
      pending.resolve({ tokens, logprobs, reason, promptTokens, stages })
    }
  }

  #failAll(error: Error): void {
    for (const pending of this.#pending.values())
      pending.reject(new AsrError('internal', 'The engine died.', { cause: error }))
    this.#pending.clear()
  }
}
