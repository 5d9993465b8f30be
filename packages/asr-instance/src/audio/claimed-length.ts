import { AsrError } from '@asr-cluster/protocol'
import { findMpegAudio, mp3Frame } from './sniff-mpeg.js'

/** How much a file is according to its header: bytes from the container's first one on, or seconds of sound. */
export type Claim = { bytes: number } | { seconds: number }

/** So much sound, and so large a part of it, may be missing: encoders count their padding, and damaged frames are dropped. */
const toleratedSeconds = 1
const toleratedPart = 0.01
/** Chunks have an even length, and writers leave the last byte out. */
const toleratedBytes = 1

/**
 * What the first bytes of a container say about its length; undefined where they say nothing, or what a program writes
 * that cannot know it yet. Bytes are claimed of the file that is here, so nothing has to be decoded to find a part missing.
 */
export function claimIn(head: Buffer, demuxer: string): Claim | undefined {
  switch (demuxer) {
    case 'flac':
      return flacClaim(head)
    case 'mp3':
      return mp3Claim(head)
    case 'matroska':
      return matroskaClaim(head)
    case 'aiff':
      return chunkClaim(head.length < 8 ? 0 : head.readUInt32BE(4))
    case 'au':
      return auClaim(head)
    case 'avi':
      return chunkClaim(head.length < 8 ? 0 : head.readUInt32LE(4))
    default:
      return undefined
  }
}

/** Throws AsrError `audio_truncated` when the file has less than it claims. */
export function checkBytes(name: string, claim: Claim | undefined, presentBytes: number): void {
  if (!claim || !('bytes' in claim) || claim.bytes - presentBytes <= toleratedBytes) return
  throw truncated(name, `${claim.bytes} bytes`, `${presentBytes}`)
}

/** The same for sound that was decoded to its end. */
export function checkSeconds(name: string, claim: Claim | undefined, presentSeconds: number): void {
  if (!claim || !('seconds' in claim)) return
  const missing = claim.seconds - presentSeconds
  if (missing <= Math.max(toleratedSeconds, claim.seconds * toleratedPart)) return
  throw truncated(name, `${claim.seconds.toFixed(1)} s of sound`, presentSeconds.toFixed(1))
}

function truncated(name: string, claimed: string, present: string): AsrError {
  return new AsrError('audio_truncated', `The ${name} header claims ${claimed}, but the file has ${present}.`)
}

/** STREAMINFO is always the first block: 20 bits of sample rate, 8 of channels and depth, 36 of samples, 0 if not known. */
function flacClaim(head: Buffer): Claim | undefined {
  if (head.length < 26) return undefined
  const packed = head.readBigUInt64BE(18)
  const rate = Number(packed >> 44n)
  const samples = Number(packed & 0xf_ffff_ffffn)
  return rate === 0 || samples === 0 ? undefined : { seconds: samples / rate }
}

/** The frames that an encoder counted, in a first frame without sound (Xing, or Info where the bit rate is constant). */
function mp3Claim(head: Buffer): Claim | undefined {
  const at = findMpegAudio(head)?.at ?? -1
  const frame = at < 0 ? null : mp3Frame(head, at)
  if (frame?.layer !== 3) return undefined
  const tagAt = at + 4 + frame.sideBytes
  if (head.length < tagAt + 12 || !['Xing', 'Info'].includes(head.toString('latin1', tagAt, tagAt + 4)))
    return undefined
  const hasFrames = (head.readUInt32BE(tagAt + 4) & 1) === 1
  const frames = head.readUInt32BE(tagAt + 8)
  return hasFrames && frames > 0 ? { seconds: (frames * frame.samples) / frame.sampleRate } : undefined
}

/** The end of the segment, which is the whole file; its length is all ones while it is not known. */
function matroskaClaim(head: Buffer): Claim | undefined {
  const ebml = vint(head, 4)
  if (!ebml) return undefined
  const segmentAt = ebml.end + ebml.value
  if (head.toString('latin1', segmentAt, segmentAt + 4) !== '\x18S\x80g') return undefined
  const segment = vint(head, segmentAt + 4)
  return segment && !segment.isUnknown ? { bytes: segment.end + segment.value } : undefined
}

/** A number of Matroska: the leading zeros of its first byte say how many follow. */
function vint(head: Buffer, at: number): { value: number; end: number; isUnknown: boolean } | undefined {
  const length = Math.clz32(head[at] ?? 0) - 23
  if (length > 8 || head.length < at + length) return undefined
  const mask = 0x80 >> (length - 1)
  const bytes = [(head[at] as number) & (mask - 1), ...head.subarray(at + 1, at + length)]
  const value = bytes.reduce((sum, byte) => sum * 256 + byte, 0)
  const isUnknown = bytes[0] === mask - 1 && bytes.slice(1).every((byte) => byte === 0xff)
  return { value, end: at + length, isUnknown }
}

function auClaim(head: Buffer): Claim | undefined {
  if (head.length < 12) return undefined
  const [soundAt, size] = [head.readUInt32BE(4), head.readUInt32BE(8)]
  return size === 0 || size === 0xffffffff ? undefined : { bytes: soundAt + size }
}

/** The outermost chunk is the whole file; 0, or all ones, is what a program leaves that could not go back. */
function chunkClaim(size: number): Claim | undefined {
  return size === 0 || size === 0xffffffff ? undefined : { bytes: size + 8 }
}
