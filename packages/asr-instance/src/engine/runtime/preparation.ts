import type { LogMel } from '../features/log-mel.js'
import { concatenate } from './concatenate.js'
import type { EncoderRunner } from './encoder-runner.js'
import type { RowTable } from './row-table.js'
import type { Decoder, DecoderOutput, SequenceCache } from './sequence-cache.js'
import type { StreamMemory } from './stream-memory.js'
import type { PieceRequest, Stage } from './worker-messages.js'

/** Prompt tokens fed in one step while other rows wait for their next token. */
const interleavedPrefillTokens = 192
/** While nobody waits: more gain nothing, and the mask of a run grows with the square of its tokens. */
const alonePrefillTokens = 1024

export interface PreparedRow {
  cache: SequenceCache
  first: DecoderOutput
  promptTokens: number
}

export interface PreparationModel {
  mel: {
    extract(samples: Float32Array): LogMel | Promise<LogMel>
    /** The same samples will be asked for. */
    prefetch?(samples: Float32Array): void
  }
  encoder: Pick<EncoderRunner, 'windowCount' | 'settledFrames' | 'encode'>
  decoder: Decoder
  embeddings: Pick<RowTable, 'rows'>
  hidden: number
  /** What several pieces ask for in the same turn is one run; so several should be prepared at once. */
  isTogether?: boolean
}

/**
 * Takes one piece from samples to its first token, in steps (a yield after each), so that the rows already running get
 * their turn in between. `alone` tells whether nobody waits; then the steps are large. `memory` is that of the growing
 * recording that the piece belongs to, if any.
 */
export async function* prepareRow(
  model: PreparationModel,
  request: PieceRequest,
  alone: () => boolean,
  memory?: StreamMemory,
): AsyncGenerator<Stage, PreparedRow> {
  const mel = await model.mel.extract(request.samples)
  yield 'features'
  const parts: Float32Array[] = [model.embeddings.rows(request.before)]
  const windows = model.encoder.windowCount(mel)
  for (let window = 0; window < windows;) {
    const frames = memory && model.encoder.settledFrames(mel, window)
    const known = frames && memory.features(window, frames)
    if (known) {
      parts.push(known)
      window++
      continue
    }
    // What is to be remembered is encoded by itself.
    const count = memory ? 1 : windowsOfStep(windows - window, alone())
    const features = await model.encoder.encode(mel, window, count)
    if (frames) memory.keepFeatures(window, frames, features)
    parts.push(features)
    window += count
    yield 'encoder'
  }
  parts.push(model.embeddings.rows(request.after))
  const embeds = concatenate(parts, Float32Array)
  const promptTokens = embeds.length / model.hidden
  const cache = memory?.takePrompt(embeds, model.hidden) ?? emptyRow(model.decoder)
  let first: DecoderOutput | undefined
  let complete = false
  try {
    for (let token = cache.length(0); token < promptTokens;) {
      const most = alone() ? alonePrefillTokens : interleavedPrefillTokens
      const count = Math.min(most, promptTokens - token)
      const slice = embeds.subarray(token * model.hidden, (token + count) * model.hidden)
      first = await model.decoder.step(cache, slice, count, request.temperature > 0)
      token += count
      yield 'prefill'
    }
    complete = true
  } finally {
    // Failed, or given up by the caller.
    if (!complete) cache.removeRow(0)
  }
  memory?.keepPrompt(embeds, cache)
  return { cache, first: first as DecoderOutput, promptTokens }
}

function emptyRow(decoder: Decoder): SequenceCache {
  const cache = decoder.newCache(1)
  cache.addRow()
  return cache
}

// The last window is a short one and shares a run with the one before it; of others, whole windows share one.
function windowsOfStep(left: number, alone: boolean): number {
  if (left <= 2) return left
  return alone ? left - 2 : 1
}
