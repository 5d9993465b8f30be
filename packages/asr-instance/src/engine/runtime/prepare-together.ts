import { sampleRate } from '../features/log-mel.js'
import { coalesce } from './coalesce.js'
import type { ClipWindows } from './encoder-runner.js'
import type { OpenModel } from './open-model.js'
import type { PreparationModel } from './preparation.js'
import type { Decoder, DecoderStep } from './sequence-cache.js'
import type { PieceRequest } from './worker-messages.js'

/**
 * Pieces that are prepared in the same runs, and their sound: with a thousand tokens a device is busy, with more only the
 * memory that a run needs grows, and the time that running rows wait for it.
 */
const mostPieces = 8
const mostSeconds = 120
/** While somebody reads along, who would notice the longer runs. */
const mostPiecesReadAlong = 2

/** For a device on which a run costs more than what it computes: what pieces ask for in the same turn is one run. */
export function preparesTogether({
  encoder,
  decoder,
}: OpenModel): Pick<PreparationModel, 'encoder' | 'decoder' | 'isTogether'> {
  if (!canStepTogether(decoder)) return { encoder, decoder }
  const encode = coalesce((clips: readonly ClipWindows[]) => encoder.encodeTogether(clips))
  const step = coalesce((steps: readonly DecoderStep[]) => decoder.stepTogether(steps))
  return {
    encoder: {
      windowCount: (mel) => encoder.windowCount(mel),
      settledFrames: (mel, window) => encoder.settledFrames(mel, window),
      encode: (mel, first, count) => encode({ mel, first, count }),
    },
    decoder: {
      newCache: (mostRows) => decoder.newCache(mostRows),
      releaseMemory: () => decoder.releaseMemory?.(),
      step: (cache, embeds, tokens, wantLogits) => step({ cache, embeds, tokens, wantLogits }),
    },
    isTogether: true,
  }
}

function canStepTogether(decoder: Decoder): decoder is Decoder & Required<Pick<Decoder, 'stepTogether'>> {
  return decoder.stepTogether !== undefined
}

/**
 * How many of the pieces that wait should be prepared together, at least the first. Of a growing recording it is one:
 * the next goes on from what that one leaves behind.
 */
export function countTogether(
  waiting: readonly Pick<PieceRequest, 'samples' | 'stream'>[],
  { room, isReadAlong }: { room: number; isReadAlong: boolean },
): number {
  const most = Math.min(room, isReadAlong ? mostPiecesReadAlong : mostPieces)
  const streams = new Set<number>()
  let seconds = 0
  const next = waiting.findIndex(({ samples, stream }, index) => {
    seconds += samples.length / sampleRate
    const isSecond = stream !== undefined && streams.has(stream)
    if (stream !== undefined) streams.add(stream)
    return index >= most || isSecond || (index > 0 && seconds > mostSeconds)
  })
  return next < 0 ? waiting.length : next
}
