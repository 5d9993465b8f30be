import type { Quantization } from '@asr-cluster/protocol'
import type { GraphTarget } from '../compile/graph-builder.js'
import type { CacheValues } from './array-pool.js'
import type { Device } from './choose-device.js'
import type { DetachedRow } from './kv-cache.js'
import type { DecoderOutput } from './sequence-cache.js'

/** Where a compiled model is, and how it is to be computed. */
export interface ModelPlace {
  modelDir: string
  encoderPath: string
  decoderPath: string
  device: Device
  precision: GraphTarget['precision']
  threads: number
  /** Waiting threads may spin; see spinning.ts. */
  spin: boolean
}

/** Start-up data of the engine's worker thread. */
export interface WorkerOptions extends ModelPlace {
  slots: number
  /** Pieces that take at least so long to prepare are prepared side by side where several wait; see preparation-helpers.ts. */
  sideBySideFromSeconds: number
}

export interface PieceRequest {
  id: number
  samples: Float32Array
  /** Prompt tokens before and after the audio. */
  before: number[]
  after: number[]
  maxNewTokens: number
  temperature: number
  /** Somebody sees the tokens as they are decided, not the answer alone. */
  isReadAlong?: boolean
  /** The growing recording that this is a part of: what it has in common with the last part is not computed again. */
  stream?: number
}

export type ToWorker =
  | ({ type: 'piece' } & PieceRequest)
  | { type: 'cancel'; id: number }
  /** The recording is over; nothing of it is waiting any more. */
  | { type: 'forget'; stream: number }
  /** The thread is to end, after its step. Nothing more is posted. */
  | { type: 'close' }

export type Stage = 'features' | 'encoder' | 'prefill' | 'decode'
/** When a stage of a piece was begun and ended, in seconds before the piece was done: threads have no common clock. */
export interface StageAge {
  stage: Stage
  begun: number
  ended: number
}

export type FinishReason = 'stop' | 'length' | 'loop'

export type FromWorker =
  | { type: 'loading'; ratio: number; detail: string }
  | { type: 'ready' }
  /** The device is of no use any more; nothing follows. */
  | { type: 'device-failed'; message: string }
  | { type: 'tokens'; id: number; tokens: number[]; logprobs: number[] }
  | { type: 'done'; id: number; reason: FinishReason; promptTokens: number; stages: StageAge[] }
  | { type: 'failed'; id: number; message: string }
  /** One step of work; `batch` is the number of rows in it, `steps` the decode steps that were one run, if several. */
  | { type: 'step'; stage: Stage; seconds: number; batch: number; steps?: number }

/** To a thread that prepares pieces, one at a time. */
export type ToHelper =
  | { type: 'begin'; request: PieceRequest }
  /** One step of the piece `id`, a large one if nobody waits. Answered by `step`, `done` or `failed`. */
  | { type: 'next'; id: number; alone: boolean }
  /** The piece is given up; of no effect on a piece that was begun since. */
  | { type: 'drop'; id: number }
  /** Memory of a row comes back. */
  | { type: 'give'; arrays: CacheValues[] }
  /** Nothing is expected for a while. */
  | { type: 'release' }
  /** The thread is to end, once what it computes is over. */
  | { type: 'close' }

export type FromHelper =
  | { type: 'ready' }
  | { type: 'step'; stage: Stage }
  | { type: 'done'; row: DetachedRow; first: DecoderOutput; promptTokens: number }
  | { type: 'failed'; message: string }

export type { Quantization }
