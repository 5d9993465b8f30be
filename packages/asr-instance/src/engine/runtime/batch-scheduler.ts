import { endsInLoop } from '../text/repetition.js'
import { deviceAdvice, DeviceError, deviceFailure } from './device-errors.js'
import { gainSideBySide, HelperGone, type PreparationHelpers } from './preparation-helpers.js'
import { countTogether } from './prepare-together.js'
import { prepareRow, type PreparationModel, type PreparedRow } from './preparation.js'
import { sampleToken } from './sample.js'
import type { DecoderOutput, SequenceCache } from './sequence-cache.js'
import { stepsPerRun } from './steps-per-run.js'
import { StreamMemory } from './stream-memory.js'
import type { FinishReason, FromWorker, PieceRequest, Stage, StageAge } from './worker-messages.js'

/**
 * Running rows wait no longer than this, and the end of a preparation step, for their next token: hardly noticed where
 * somebody reads along, and where nobody does, long enough that most of the decode happens in a full batch.
 */
const longestStallSeconds = { readAlong: 0.2, unread: 2 }

interface Waiting {
  request: PieceRequest
  /** What was decided before it lost its row. */
  tokens: number[]
}

interface Row extends Waiting {
  promptTokens: number
  stages: StageTimes
}

/** From the begin of the first step of a stage to the end of its last one. */
type StageTimes = Map<Stage, { begun: number; ended: number }>

export interface SchedulerOptions {
  model: PreparationModel
  slots: number
  eosTokenIds: readonly number[]
  /** Uniform numbers in [0, 1) for sampling. */
  random: () => number
  /** Monotonic seconds. */
  now: () => number
  post: (message: FromWorker) => void
  /**
   * Loads the model anew once the device's memory was too small, for a device that does not recover from that: WebGPU
   * keeps the buffers of the larger batch, and those that it could not allocate.
   */
  reload?: () => Promise<Pick<PreparationModel, 'encoder' | 'decoder' | 'isTogether'>>
  /** Prepare several pieces side by side. */
  helpers?: Pick<PreparationHelpers, 'ready' | 'wake'>
}

interface Preparing {
  waiting: Waiting
  stages: StageTimes
  steps: AsyncGenerator<Stage, PreparedRow>
  /** A thread of its own works on it. */
  hasHelper: boolean
}

interface Failure {
  waiting: Waiting
  error: unknown
}

/**
 * Continuous batching: a piece joins the running decode as soon as it is prepared and leaves when it is done.
 * Preparation goes first, because a decode step costs little more for a further row, but the running rows get a step at
 * least every so often. A row's tokens do not depend on its neighbours: rows only share matrix products.
 */
export class BatchScheduler {
  readonly #options: SchedulerOptions
  #model: PreparationModel
  #cache: SequenceCache
  /** Row i of the batch stands at row i of the cache. */
  readonly #rows: Row[] = []
  #waiting: Waiting[] = []
  /** One piece, or several: side by side, or in the same runs. */
  #preparing: Preparing[] = []
  /** Of the last piece, from its features to its first token. */
  #preparationSeconds = 0
  /** Rows that the device's memory has room for. */
  #mostRows: number
  #canceled = new Set<number>()
  /** When the running rows last had their turn, or had none to wait for. */
  #lastDecode = 0
  /** A token has come since the model was loaded. */
  #works = false
  /** Of the last decode step; undefined before the first one. */
  #stepSeconds: number | undefined
  readonly #streams = new Map<number, StreamMemory>()

  constructor(options: SchedulerOptions) {
    this.#options = options
    this.#mostRows = options.slots
    this.#model = options.model
    this.#cache = this.#model.decoder.newCache(options.slots)
  }

  get idle(): boolean {
    return this.#rows.length === 0 && this.#waiting.length === 0 && this.#preparing.length === 0
  }

  /** Nothing is expected for a while. */
  releaseMemory(): void {
    this.#model.decoder.releaseMemory?.()
  }

  add(request: PieceRequest): void {
    this.#model.mel.prefetch?.(request.samples)
    this.#waiting.push({ request, tokens: [] })
  }

  /** The piece leaves at the next step; nothing more is posted for it. */
  cancel(id: number): void {
    const hasId = ({ request }: Waiting) => request.id === id
    const at = this.#waiting.findIndex(hasId)
    if (at >= 0) this.#waiting.splice(at, 1)
    else if ([...this.#preparing.map(({ waiting }) => waiting), ...this.#rows].some(hasId)) {
      this.#canceled.add(id)
    }
  }

  /** Drops what is remembered of a growing recording. */
  forget(stream: number): void {
    this.#streams.get(stream)?.release()
    this.#streams.delete(stream)
  }

  /** One preparation step and, unless more should be prepared first, one decode step. */
  async step(): Promise<void> {
    await this.#dropCanceled()
    await this.#prepareStep()
    if (this.#rows.length > 0 && (!this.#canPrepare || this.#isStalled)) await this.#decodeStep()
  }

  /** Somebody reads a running row as it grows. */
  get #isReadAlong(): boolean {
    return this.#rows.some(({ request }) => request.isReadAlong)
  }

  get #isStalled(): boolean {
    const longest = this.#isReadAlong ? longestStallSeconds.readAlong : longestStallSeconds.unread
    return this.#options.now() - this.#lastDecode >= longest
  }

  get #canPrepare(): boolean {
    return this.#preparing.length > 0 || (this.#waiting.length > 0 && this.#rows.length < this.#mostRows)
  }

  async #dropCanceled(): Promise<void> {
    if (this.#canceled.size === 0) return
    // Others may be cancelled while the dropped pieces come to their end; they leave at the next step.
    const canceled = this.#canceled
    this.#canceled = new Set()
    // Where a step failed meanwhile, a piece waits again.
    this.#waiting = this.#waiting.filter(({ request }) => !canceled.has(request.id))
    for (let row = this.#rows.length - 1; row >= 0; row--) {
      if (canceled.has(this.#rows[row]!.request.id)) this.#removeRow(row)
    }
    const dropped = this.#preparing.filter(({ waiting }) => canceled.has(waiting.request.id))
    for (const preparing of dropped) this.#endPreparing(preparing)
    // A helper must have let go of its piece before it is given the next one.
    await Promise.all(dropped.map(({ steps }) => steps.return(undefined as never)))
  }

  async #prepareStep(): Promise<void> {
    await this.#dropLone()
    if (this.#preparing.length === 0) this.#beginPreparing()
    const count = this.#preparing.length
    const failures = await Promise.all(this.#preparing.map((preparing) => this.#stepOf(preparing, count)))
    const failed = failures.filter((failure): failure is Failure => failure !== undefined)
    if (failed.length === 0) return
    // What failed together has one cause, so it is mended once.
    const pieces = failed.map(({ waiting }) => waiting)
    await this.#recover(failed[0]!.error, pieces, this.#rows.length || Math.floor(pieces.length / 2))
  }

  /** Others have come while a piece, alone till then, had its features made: it is better prepared side by side with them. */
  async #dropLone(): Promise<void> {
    const [lone] = this.#preparing
    if (!lone || this.#preparing.length > 1 || lone.hasHelper) return
    if ([...lone.stages.keys()].some((stage) => stage !== 'features')) return
    if (this.#sideBySide([lone.waiting, ...this.#waiting]).length === 0) return
    this.#endPreparing(lone)
    this.#waitAgain([lone.waiting])
    await lone.steps.return(undefined as never)
  }

  #beginPreparing(): void {
    const alone = () => this.#rows.length === 0
    const begin = (waiting: Waiting, steps: Preparing['steps'], hasHelper: boolean) =>
      this.#preparing.push({ waiting, stages: new Map(), steps, hasHelper })
    const helpers = this.#sideBySide(this.#waiting)
    for (const [i, waiting] of this.#waiting.splice(0, helpers.length).entries())
      begin(waiting, helpers[i]!.prepare(resumed(waiting), alone), true)
    const room = this.#mostRows - this.#rows.length
    if (helpers.length > 0 || room <= 0) return
    for (const waiting of this.#waiting.splice(0, this.#countTogether(room))) {
      const memory = this.#memoryOf(waiting.request)
      begin(waiting, prepareRow(this.#model, resumed(waiting), alone, memory), false)
    }
  }

  #countTogether(room: number): number {
    if (!this.#model.isTogether) return 1
    const requests = this.#waiting.map(({ request }) => request)
    return countTogether(requests, { room, isReadAlong: this.#isReadAlong })
  }

  /** Those that should prepare the first of the pieces that wait, one each; none if one piece after the other is better. */
  #sideBySide(waiting: readonly Waiting[]): PreparationHelpers['ready'] {
    const { helpers } = this.#options
    if (!helpers || waiting.length < 2) return []
    helpers.wake(this.#preparationSeconds)
    const { ready } = helpers
    const count = ready.length
    if (count < 2 || Math.min(waiting.length, this.#mostRows - this.#rows.length) < count) return []
    // Their steps take longer, which who reads along would notice.
    if (this.#isReadAlong) return []
    return gainSideBySide(waiting.slice(0, count).map(({ request }) => request)) ? ready : []
  }

  /** `count` pieces share the step's time. */
  async #stepOf(preparing: Preparing, count: number): Promise<Failure | undefined> {
    const { waiting, steps, stages } = preparing
    const started = this.#options.now()
    try {
      const result = await steps.next()
      if (result.done) {
        this.#endPreparing(preparing)
        this.#join(waiting, stages, result.value)
        return undefined
      }
      const ended = this.#options.now()
      stages.set(result.value, { begun: stages.get(result.value)?.begun ?? started, ended })
      const seconds = (ended - started) / (this.#model.isTogether ? count : 1)
      this.#options.post({ type: 'step', stage: result.value, seconds, batch: 1 })
    } catch (error) {
      this.#endPreparing(preparing)
      if (!(error instanceof HelperGone)) return { waiting, error }
      this.#waitAgain([waiting])
    }
    return undefined
  }

  #endPreparing(ended: Preparing): void {
    this.#preparing = this.#preparing.filter((preparing) => preparing !== ended)
  }

  #memoryOf({ stream }: PieceRequest): StreamMemory | undefined {
    if (stream === undefined) return undefined
    const memory = this.#streams.get(stream) ?? new StreamMemory()
    this.#streams.set(stream, memory)
    return memory
  }

  #join({ request, tokens }: Waiting, stages: StageTimes, prepared: PreparedRow): void {
    const { cache, first, promptTokens } = prepared
    const row: Row = { request, tokens, promptTokens: promptTokens - tokens.length, stages }
    const joined = this.#options.now()
    this.#preparationSeconds = joined - (stages.get('features')?.begun ?? joined)
    stages.set('decode', { begun: joined, ended: joined })
    if (this.#rows.length === 0) this.#lastDecode = joined
    // A growing recording keeps its prompt for the next time.
    if (request.stream === undefined) this.#cache.adopt(cache)
    else this.#cache.copy(cache)
    this.#rows.push(row)
    this.#accept(this.#rows.length - 1, first, 0)
  }

  async #decodeStep(): Promise<void> {
    const { now, post } = this.#options
    const started = now()
    const batch = this.#rows.length
    let steps = 1
    try {
      const embeds = this.#model.embeddings.rows(this.#rows.map((row) => row.tokens.at(-1)!))
      const outputs = await this.#decode(embeds)
      steps = outputs.length
      // Backwards, because a finished row is replaced by the last one, which was then already handled.
      for (let row = batch - 1; row >= 0; row--) {
        for (const output of outputs) if (!this.#accept(row, output, row)) break
      }
    } catch (error) {
      const room = Math.floor(batch / 2)
      const without = this.#rows.slice(room)
      while (this.#rows.length > room) this.#removeRow(this.#rows.length - 1)
      if (!(await this.#recover(error, without, room))) {
        const others = this.#rows.map((row) => row.request.id)
        while (this.#rows.length > 0) this.#removeRow(this.#rows.length - 1)
        for (const id of others) post({ type: 'failed', id, message: String(error) })
      }
    }
    this.#lastDecode = now()
    const seconds = this.#lastDecode - started
    this.#stepSeconds = seconds / steps
    post({ type: 'step', stage: 'decode', seconds, batch, steps })
  }

  /** As many steps in one run as are good, where the device can do more than one; a row that samples needs the host. */
  async #decode(embeds: Float32Array): Promise<DecoderOutput[]> {
    const { decoder } = this.#model
    const samples = this.#rows.some((row) => row.request.temperature > 0)
    if (!decoder.steps || samples) return [await decoder.step(this.#cache, embeds, 1, samples)]
    const most = this.#rows.map((row) => row.request.maxNewTokens - row.tokens.length)
    const count = stepsPerRun({ stepSeconds: this.#stepSeconds, longest: Math.max(...most) })
    return decoder.steps(this.#cache, embeds, most, count)
  }

  /**
   * After a failed step: where the device's memory was too small and `room` rows remain, `pieces` wait for a place and
   * go on from their last token; otherwise they fail and the answer is false. Throws when the device is lost.
   */
  async #recover(error: unknown, pieces: readonly Waiting[], room: number): Promise<boolean> {
    const failure = deviceFailure(error)
    if (failure === 'lost') throw new DeviceError(String(error))
    if (failure === 'out-of-memory') {
      // Loaded anew and no better: somebody else has the memory, and only the supervisor can wait for it.
      if (this.#options.reload && !this.#works)
        throw new DeviceError(`${deviceAdvice[failure]} (${String(error)})`)
      // A piece that does not fit alone was what was too large, also in the batches that it made too large before.
      this.#mostRows = room > 0 ? room : this.#options.slots
      if (room > 0) this.#waitAgain(pieces)
      if (this.#options.reload) await this.#startAnew(this.#options.reload)
      if (room > 0) return true
    }
    for (const { request } of pieces)
      this.#options.post({ type: 'failed', id: request.id, message: String(error) })
    return false
  }

  #waitAgain(pieces: readonly Waiting[]): void {
    this.#waiting.unshift(...pieces.map(({ request, tokens }) => ({ request, tokens })))
  }

  /** With nothing left on the device: whatever was there goes on from its last token. */
  async #startAnew(reload: NonNullable<SchedulerOptions['reload']>): Promise<void> {
    for (const { steps } of this.#preparing) await steps.return(undefined as never)
    this.#waitAgain(this.#preparing.map(({ waiting }) => waiting))
    this.#preparing = []
    this.#waitAgain(this.#rows)
    while (this.#rows.length > 0) this.#removeRow(this.#rows.length - 1)
    for (const memory of this.#streams.values()) memory.release()
    this.#streams.clear()
    this.#model = { ...this.#model, ...(await reload()) }
    this.#works = false
    this.#cache = this.#model.decoder.newCache(this.#options.slots)
  }

  /** Takes the token that `output` chose for a row, and ends the row if it is the last. Whether the row goes on. */
  #accept(rowIndex: number, output: DecoderOutput, outputRow: number): boolean {
    const { request, tokens, promptTokens, stages } = this.#rows[rowIndex]!
    this.#works = true
    const { token, logprob } = this.#choose(request, output, outputRow)
    const { post, eosTokenIds } = this.#options
    const finish = (reason: FinishReason) => {
      this.#removeRow(rowIndex)
      post({ type: 'done', id: request.id, reason, promptTokens, stages: this.#ages(stages) })
      return false
    }
    if (eosTokenIds.includes(token)) return finish('stop')
    tokens.push(token)
    if (!this.#canceled.has(request.id))
      post({ type: 'tokens', id: request.id, tokens: [token], logprobs: [logprob] })
    if (tokens.length >= request.maxNewTokens) return finish('length')
    return endsInLoop(tokens) ? finish('loop') : true
  }

  #ages(stages: StageTimes): StageAge[] {
    const now = this.#options.now()
    return [...stages].map(([stage, { begun, ended }]) => ({
      stage,
      begun: now - begun,
      ended: stage === 'decode' ? 0 : now - ended,
    }))
  }

  #choose({ temperature }: PieceRequest, { tokens, logprobs, logits }: DecoderOutput, row: number) {
    if (temperature === 0 || !logits) return { token: tokens[row]!, logprob: logprobs[row]! }
    const vocab = logits.length / tokens.length
    return sampleToken(logits.subarray(row * vocab, (row + 1) * vocab), temperature, this.#options.random)
  }

  #removeRow(row: number): void {
    this.#cache.removeRow(row)
    const last = this.#rows.pop()!
    if (row < this.#rows.length) this.#rows[row] = last
  }
}

/** The piece as if its tokens so far were the end of its prompt. */
function resumed({ request, tokens }: Waiting): PieceRequest {
  return tokens.length === 0 ? request : { ...request, after: [...request.after, ...tokens] }
}
