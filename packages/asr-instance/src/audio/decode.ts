import { setImmediate as eventLoopTurn } from 'node:timers/promises'
import { AsrError, clientClosed } from '@asr-cluster/protocol'
import { checkBytes, claimIn } from './claimed-length.js'
import { engineSampleRate } from './engine-sample-rate.js'
import { decodeWithFfmpeg, type FfmpegInput, type FfmpegLimits } from './ffmpeg.js'
import { clip, pcmToMono, wholeFrames } from './pcm.js'
import { Resampler } from './resample.js'
import { sniff, sniffBytes, type Sniffed } from './sniff.js'
import type { Spool } from './spool.js'
import { parseWavHeader, type PcmWav } from './wav-header.js'

export interface DecodeOptions {
  signal: AbortSignal
  /** Longer recordings are refused with `audio_too_long`. */
  maxDurationSeconds: number
  /** Where ffmpeg is looked for; the environment's PATH unless told. */
  path?: string | undefined
  ffmpegLimits?: FfmpegLimits
}

export interface DecodedAudio {
  /** For the log, for example `WAV s16 44100 Hz 2 ch` or `MP3`. */
  container: string
  /** Mono at 16 kHz, -1 to 1, in pieces; can be read once. May throw AsrError while it is read. */
  samples: AsyncIterable<Float32Array>
}

/**
 * Recognises an upload by its bytes and opens it. What can be known from the header is checked before this returns.
 * Throws AsrError: empty_file, not_audio, audio_truncated, audio_invalid, audio_too_long, unsupported_media.
 */
export async function decodeAudio(spool: Spool, options: DecodeOptions): Promise<DecodedAudio> {
  if (spool.size === 0) throw new AsrError('empty_file', 'The uploaded file is empty (0 bytes).')
  const found = await sniffSpool(spool)
  if (found.kind === 'other') {
    throw new AsrError('not_audio', `The uploaded file is not audio: it looks like ${found.name}.`)
  }
  if (found.kind === 'media') {
    const claim = claimIn(await spool.readAt(found.start, sniffBytes), found.demuxer)
    checkBytes(found.name, claim, spool.size - found.start)
    return viaFfmpeg(spool, { ...found, claim }, options)
  }
  const wav = await parseWavHeader(spool)
  if (wav.kind === 'other') {
    const name = `WAV with codec 0x${wav.formatTag.toString(16).padStart(4, '0')}`
    return viaFfmpeg(spool, { name, demuxer: 'wav', seekable: false, claim: undefined }, options)
  }
  const seconds = wav.dataBytes / wav.frameBytes / wav.sampleRate
  if (seconds > options.maxDurationSeconds) throw tooLong(seconds, options.maxDurationSeconds)
  return {
    container: `WAV ${wav.format} ${wav.sampleRate} Hz ${wav.channels} ch`,
    samples: decodePcm(spool, wav, options.signal),
  }
}

type Media = Pick<FfmpegInput, 'name' | 'demuxer' | 'seekable' | 'claim'>

/** `start`: where the container begins, behind a tag. */
async function sniffSpool(spool: Spool): Promise<Exclude<Sniffed, { kind: 'id3' }> & { start: number }> {
  const found = sniff(await spool.readAt(0, sniffBytes))
  if (found.kind !== 'id3') return { ...found, start: 0 }
  const start = found.bytes
  const behind = sniff(await spool.readAt(start, sniffBytes))
  if (behind.kind === 'media') return { ...behind, start }
  return { kind: 'media', name: 'MP3', demuxer: 'mp3', seekable: false, start }
}

function viaFfmpeg(spool: Spool, media: Media, options: DecodeOptions): DecodedAudio {
  const samples = decodeWithFfmpeg({
    spool,
    name: media.name,
    demuxer: media.demuxer,
    seekable: media.seekable,
    claim: media.claim,
    path: 'path' in options ? options.path : process.env['PATH'],
    signal: options.signal,
    ...(options.ffmpegLimits === undefined ? {} : { limits: options.ffmpegLimits }),
  })
  return { container: media.name, samples: limitDuration(samples, options.maxDurationSeconds) }
}

async function* decodePcm(spool: Spool, wav: PcmWav, signal: AbortSignal): AsyncGenerator<Float32Array> {
  for await (const block of resampledPcm(spool, wav)) {
    // What is in memory is read, and silence thrown away, without ever waiting: all others get their turn here.
    await eventLoopTurn()
    if (signal.aborted) throw clientClosed()
    yield clip(block)
  }
}

/** In blocks that take milliseconds to compute: the resampler sizes them by what comes out. */
async function* resampledPcm(spool: Spool, wav: PcmWav): AsyncGenerator<Float32Array> {
  const bytes = spool.read(wav.dataOffset, wav.dataOffset + wav.dataBytes)
  const resampler =
    wav.sampleRate === engineSampleRate ? null : new Resampler(wav.sampleRate, engineSampleRate)
  for await (const piece of wholeFrames(bytes, wav.frameBytes)) {
    const mono = pcmToMono(piece, wav.format, wav.channels, wav.frameBytes)
    if (resampler === null) yield mono
    else yield* resampler.push(mono)
  }
  if (resampler !== null) yield* resampler.end()
}

/** A compressed file of 100 MB can hold weeks of silence, and only decoding tells. */
async function* limitDuration(
  samples: AsyncIterable<Float32Array>,
  maxDurationSeconds: number,
): AsyncGenerator<Float32Array> {
  let count = 0
  for await (const piece of samples) {
    count += piece.length
    if (count > maxDurationSeconds * engineSampleRate) throw tooLong(null, maxDurationSeconds)
    yield piece
  }
}

function tooLong(seconds: number | null, maxSeconds: number): AsrError {
  const length = seconds === null ? `longer than` : `${Math.round(seconds)} s long; the limit is`
  return new AsrError('audio_too_long', `The recording is ${length} ${maxSeconds} s.`)
}
