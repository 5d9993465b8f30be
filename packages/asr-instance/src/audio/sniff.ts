import { findMpegAudio } from './sniff-mpeg.js'

/** What the first bytes of a file say it is. File names and content types of clients are never asked. */
export type Sniffed =
  | { kind: 'wav'; name: string }
  /** `demuxer` is ffmpeg's name: it is forced, so that no playlist or script format is ever probed. */
  | { kind: 'media'; name: string; demuxer: string; seekable: boolean }
  /** An ID3v2 tag of `bytes` bytes; what follows decides. */
  | { kind: 'id3'; bytes: number }
  | { kind: 'other'; name: string }

/** Bytes of the head that sniffing needs. */
export const sniffBytes = 4096

interface Signature {
  /** Latin-1 text expected at `at`. */
  bytes: string
  at?: number
  /** A second text that must match as well. */
  and?: { bytes: string; at: number }
}

const media: [Signature, name: string, demuxer: string, seekable?: boolean][] = [
  [{ bytes: 'fLaC' }, 'FLAC', 'flac'],
  [{ bytes: 'OggS' }, 'OGG', 'ogg'],
  [{ bytes: '\x1aE\xdf\xa3' }, 'WebM/Matroska', 'matroska'],
  [{ bytes: '#!AMR' }, 'AMR', 'amr'],
  [{ bytes: 'FORM', and: { bytes: 'AIFF', at: 8 } }, 'AIFF', 'aiff'],
  [{ bytes: 'FORM', and: { bytes: 'AIFC', at: 8 } }, 'AIFF', 'aiff'],
  [{ bytes: '.snd' }, 'AU', 'au'],
  // The packet table of compressed sound stands behind it.
  [{ bytes: 'caff' }, 'CAF', 'caf', true],
  [{ bytes: '0&\xb2u\x8ef\xcf\x11' }, 'WMA', 'asf'],
  [{ bytes: 'RIFF', and: { bytes: 'AVI ', at: 8 } }, 'AVI', 'avi'],
  [{ bytes: 'FLV\x01' }, 'FLV', 'flv'],
  [{ bytes: 'riff\x2e\x91\xcf\x11' }, 'Wave64', 'w64'],
  [{ bytes: 'wvpk' }, 'WavPack', 'wv'],
  [{ bytes: 'MAC ' }, "Monkey's Audio", 'ape'],
  [{ bytes: 'TTA1' }, 'TTA', 'tta'],
  [{ bytes: '\x00\x00\x01\xba' }, 'MPEG', 'mpeg'],
  [{ bytes: 'G', and: { bytes: 'G', at: 188 } }, 'MPEG-TS', 'mpegts'],
  // The index of an MP4 may stand behind the sound, so ffmpeg must be able to seek.
  ...['ftyp', 'moov', 'mdat', 'wide', 'free', 'skip'].map((bytes): [Signature, string, string, boolean] => [
    { bytes, at: 4 },
    'MP4/M4A',
    'mov',
    true,
  ]),
]

const others: [Signature, name: string][] = [
  [{ bytes: '%PDF' }, 'a PDF document'],
  [{ bytes: '\x89PNG' }, 'a PNG image'],
  [{ bytes: '\xff\xd8\xff' }, 'a JPEG image'],
  [{ bytes: 'GIF8' }, 'a GIF image'],
  [{ bytes: 'RIFF', and: { bytes: 'WEBP', at: 8 } }, 'a WebP image'],
  ...['heic', 'heix', 'mif1', 'avif'].map((brand): [Signature, string] => [
    { bytes: 'ftyp', at: 4, and: { bytes: brand, at: 8 } },
    'a HEIF image',
  ]),
  [{ bytes: 'PK\x03\x04' }, 'a ZIP archive (or an office document)'],
  [{ bytes: 'PK\x05\x06' }, 'an empty ZIP archive'],
  [{ bytes: '\x1f\x8b' }, 'gzip data'],
  [{ bytes: 'BZh' }, 'bzip2 data'],
  [{ bytes: '\xfd7zXZ\x00' }, 'xz data'],
  [{ bytes: '7z\xbc\xaf\x27\x1c' }, 'a 7-Zip archive'],
  [{ bytes: '\x7fELF' }, 'a program'],
  [{ bytes: 'MThd' }, 'a MIDI score (notes, not sound)'],
]

/** Names the container from the first bytes (up to `sniffBytes` are looked at). */
export function sniff(head: Uint8Array): Sniffed {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, sniffBytes)).toString('latin1')
  for (const [signature, name] of others) if (matches(text, signature)) return { kind: 'other', name }
  if (/^(RIFF|RF64|RIFX)/.test(text) && text.startsWith('WAVE', 8)) return wave(text)
  if (text.startsWith('ID3') && text.length >= 10) return { kind: 'id3', bytes: id3Bytes(head) }
  for (const [signature, name, demuxer, seekable] of media) {
    if (matches(text, signature)) return { kind: 'media', name, demuxer, seekable: seekable === true }
  }
  const mpeg = findMpegAudio(head)
  if (mpeg) return { kind: 'media', name: mpeg.name, demuxer: mpeg.demuxer, seekable: false }
  return { kind: 'other', name: describeText(head, text) ?? 'data of an unknown kind' }
}

function matches(text: string, { bytes, at = 0, and }: Signature): boolean {
  return text.startsWith(bytes, at) && (and === undefined || text.startsWith(and.bytes, and.at))
}

function wave(text: string): Sniffed {
  // Big-endian WAV is a museum piece: ffmpeg reads it.
  if (text.startsWith('RIFX')) return { kind: 'media', name: 'RIFX WAV', demuxer: 'wav', seekable: false }
  return { kind: 'wav', name: 'WAV' }
}

/** Four bytes of seven bits each, without the ten of the header; a footer adds ten more. */
function id3Bytes(head: Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = head.subarray(6, 10)
  const size = ((a & 127) << 21) | ((b & 127) << 14) | ((c & 127) << 7) | (d & 127)
  return 10 + size + ((head[5] ?? 0) & 0x10 ? 10 : 0)
}

function describeText(head: Uint8Array, latin1: string): string | null {
  if (/^(\xff\xfe|\xfe\xff)/.test(latin1)) return 'a text file (UTF-16)'
  // Only the last character may be cut in two by the end of the head, so decode as a stream.
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(head.subarray(0, sniffBytes), { stream: true })
  } catch {
    return null
  }
  // oxlint-disable-next-line no-control-regex -- control characters are what tells text from data
  if (/[\x00-\x08\x0e-\x1a\x1c-\x1f]/.test(text)) return null
  const start = text.trimStart().slice(0, 64).toLowerCase()
  if (/^<(!doctype html|html|head|body)/.test(start)) return 'an HTML page'
  if (/^<(\?xml|svg)/.test(start)) return 'an XML document'
  if (start.startsWith('#extm3u')) return 'a playlist'
  if (/^[[{]/.test(start)) return 'JSON text'
  return 'a text file'
}
