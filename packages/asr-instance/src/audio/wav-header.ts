import { AsrError } from '@asr-cluster/protocol'
import type { SampleFormat } from './pcm.js'
import type { Spool } from './spool.js'

/** A WAV whose samples this program reads itself. */
export interface PcmWav {
  kind: 'pcm'
  format: SampleFormat
  channels: number
  sampleRate: number
  /** Bytes from one frame (a sample of each channel) to the next. */
  frameBytes: number
  dataOffset: number
  dataBytes: number
}

/** A codec inside WAV that is left to ffmpeg. */
export interface OtherWav {
  kind: 'other'
  formatTag: number
}

type Format = Omit<PcmWav, 'dataOffset' | 'dataBytes'> | OtherWav

const maxChunks = 1024
/** Below it there is no speech, and a few kilobytes would become hours of sound. */
const minSampleRate = 1000
const maxSampleRate = 768_000
const maxChannels = 256
/** The tail of every KSDATAFORMAT_SUBTYPE that stands for a plain format tag. */
const subFormatTail = '000000001000800000aa00389b71'

/**
 * Finds format and samples of a RIFF or RF64 WAVE. Throws AsrError `audio_truncated` when the header claims more
 * than the file holds, `audio_invalid` when it makes no sense, or was never filled in.
 */
export async function parseWavHeader(spool: Spool): Promise<PcmWav | OtherWav> {
  const head = await spool.readAt(0, 12)
  const isRf64 = head.toString('latin1', 0, 4) === 'RF64'
  let format: Format | null = null
  let longDataBytes: number | null = null
  let offset = 12
  for (let chunks = 0; chunks < maxChunks; chunks++) {
    const chunk = await spool.readAt(offset, 8)
    if (chunk.length < 8) {
      throw endedEarly(format === null ? 'format' : 'samples', spool.size, head.readUInt32LE(4) + 8)
    }
    const id = chunk.toString('latin1', 0, 4)
    const size = chunk.readUInt32LE(4)
    const body = offset + 8
    if (id === 'data') {
      if (format === null) throw invalid('The WAV file has samples before it says their format.')
      const claimed = isRf64 && size === 0xffffffff && longDataBytes !== null ? longDataBytes : size
      // ffmpeg would take half of a recording for all of it.
      checkPresent(claimed, spool.size - body)
      if (claimed === 0) checkNotLeftOpen(head.readUInt32LE(4) + 8, body, spool.size)
      if (format.kind === 'other') return format
      return { ...format, dataOffset: body, dataBytes: wholeFrameBytes(claimed, format) }
    }
    if (id === 'fmt ') format = parseFormat(await spool.readAt(body, Math.min(size, 40)), size)
    if (id === 'ds64') longDataBytes = parseLongDataBytes(await spool.readAt(body, 28))
    offset = body + size + (size % 2)
  }
  throw invalid(`The WAV file has more than ${maxChunks} chunks and no samples among them.`)
}

function parseFormat(body: Buffer, size: number): Format {
  if (size < 16) throw invalid(`The format chunk of the WAV file has ${size} bytes; at least 16 are needed.`)
  if (body.length < Math.min(size, 40)) {
    throw new AsrError('audio_truncated', 'The WAV file ends inside its format chunk.')
  }
  const tag = body.readUInt16LE(0)
  const channels = body.readUInt16LE(2)
  const sampleRate = body.readUInt32LE(4)
  const frameBytes = body.readUInt16LE(12)
  const bits = body.readUInt16LE(14)
  if (channels === 0) throw invalid('The WAV header says that there are 0 channels.')
  if (channels > maxChannels) throw invalid(`The WAV header says that there are ${channels} channels.`)
  if (sampleRate < minSampleRate || sampleRate > maxSampleRate) {
    throw invalid(
      `The WAV header says ${sampleRate} samples a second; ${minSampleRate} to ${maxSampleRate} are accepted.`,
    )
  }
  const plainTag = tag === 0xfffe ? subFormatTag(body) : tag
  const format = sampleFormat(plainTag, frameBytes / channels)
  if (format === 'other') return { kind: 'other', formatTag: plainTag }
  if (format === null || bits === 0 || bits > (frameBytes / channels) * 8) {
    throw invalid(
      `The WAV header contradicts itself: ${bits} bits a sample, ${channels} channels, ${frameBytes} bytes a frame.`,
    )
  }
  return { kind: 'pcm', format, channels, sampleRate, frameBytes }
}

/** By the bytes that a sample takes: 12 or 20 bits stand at the top of 2 or 3 bytes. */
function sampleFormat(tag: number, bytes: number): SampleFormat | 'other' | null {
  switch (tag) {
    case 1:
      if (bytes === 8) return 'other'
      return ([null, 'u8', 's16', 's24', 's32'] as const)[bytes] ?? null
    case 3:
      return bytes === 4 ? 'f32' : bytes === 8 ? 'f64' : null
    case 6:
      return bytes === 1 ? 'alaw' : null
    case 7:
      return bytes === 1 ? 'mulaw' : null
    default:
      return 'other'
  }
}

function subFormatTag(body: Buffer): number {
  if (body.length < 40) throw invalid('The extensible format chunk of the WAV file is too short.')
  const isPlain = body.toString('hex', 26, 40) === subFormatTail
  return isPlain ? body.readUInt16LE(24) : 0xfffe
}

function parseLongDataBytes(body: Buffer): number {
  if (body.length < 16) throw new AsrError('audio_truncated', 'The RF64 file ends inside its header.')
  return Number(body.readBigUInt64LE(8))
}

const pipeHint = ' A program that writes WAV to a pipe leaves such a number: write to a file instead.'

function checkPresent(claimed: number, present: number): void {
  if (claimed > present) {
    const hint = claimed >= 0x7fffff00 && claimed <= 0xffffffff ? pipeHint : ''
    throw new AsrError(
      'audio_truncated',
      `The WAV header claims ${claimed} bytes of samples, but the file has ${present}.${hint}`,
    )
  }
}

/** Whether nobody filled in the lengths: an empty recording says at least how long its file is. */
function checkNotLeftOpen(claimedFileBytes: number, samplesAt: number, fileBytes: number): void {
  const isOpen = claimedFileBytes <= samplesAt || claimedFileBytes > 0xffffffff
  if (!isOpen || fileBytes <= samplesAt) return
  const present = fileBytes - samplesAt
  throw invalid(`The WAV header claims 0 bytes of samples, and ${present} bytes follow.${pipeHint}`)
}

function wholeFrameBytes(claimed: number, format: { frameBytes: number }): number {
  if (claimed < format.frameBytes) throw invalid(`The WAV file has ${claimed} bytes of samples: no sound.`)
  return claimed - (claimed % format.frameBytes)
}

function endedEarly(missing: string, size: number, claimed: number): AsrError {
  const message = `The WAV file has ${size} bytes and ends before its ${missing}`
  if (claimed > size)
    return new AsrError('audio_truncated', `${message}; its header claims ${claimed} bytes.`)
  return invalid(`${message}.`)
}

function invalid(message: string): AsrError {
  return new AsrError('audio_invalid', message)
}
