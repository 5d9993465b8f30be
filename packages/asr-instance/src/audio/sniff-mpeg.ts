const mpeg1Layer2 = [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384]
const mpeg1Layer3 = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320]
const mpeg2 = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]
const sampleRates = [44100, 48000, 32000]

/**
 * MP3 and ADTS AAC have no magic number, only frames that follow each other. Two headers in a row at the right
 * distance are asked for, because one alone (11 bits) is found in any data. `at`: where the first one is.
 */
export function findMpegAudio(head: Uint8Array): { name: string; demuxer: string; at: number } | null {
  for (let at = 0; at + 7 <= head.length; at++) {
    if (head[at] !== 0xff) continue
    for (const [length, name, demuxer] of [
      [mp3Frame(head, at)?.bytes ?? null, 'MP3', 'mp3'],
      [adtsFrameBytes(head, at), 'AAC', 'aac'],
    ] as const) {
      if (length === null) continue
      const next = at + length
      // A file of a single frame ends where the second would begin.
      if (next === head.length) return { name, demuxer, at }
      const following = name === 'MP3' ? mp3Frame(head, next) : adtsFrameBytes(head, next)
      if (following !== null) return { name, demuxer, at }
    }
  }
  return null
}

export interface Mp3Frame {
  layer: 2 | 3
  /** From its header to that of the next one. */
  bytes: number
  sampleRate: number
  samples: number
  /** Side information, behind which the sound begins; of layer 3. */
  sideBytes: number
}

/** The frame whose header is at `at`; null where there is none. */
export function mp3Frame(data: Uint8Array, at: number): Mp3Frame | null {
  const [sync = 0, b1 = 0, b2 = 0, b3 = 0] = data.subarray(at, at + 4)
  if (sync !== 0xff || (b1 & 0xe0) !== 0xe0) return null
  const version = (b1 >> 3) & 3 // 3: MPEG 1, 2: MPEG 2, 0: MPEG 2.5
  const layer = 4 - ((b1 >> 1) & 3)
  const bitrateIndex = b2 >> 4
  const rate = sampleRates[(b2 >> 2) & 3]
  // Layer 1 is left out: its sync word is also the byte order mark of UTF-16.
  if (version === 1 || (layer !== 2 && layer !== 3) || rate === undefined) return null
  if (bitrateIndex === 0 || bitrateIndex === 15) return null
  const padding = (b2 >> 1) & 1
  const table = version === 3 ? (layer === 2 ? mpeg1Layer2 : mpeg1Layer3) : mpeg2
  const bitsPerSecond = (table[bitrateIndex] as number) * 1000
  const halvings = version === 3 ? 0 : version === 2 ? 1 : 2
  const sampleRate = rate / 2 ** halvings
  const samples = version !== 3 && layer === 3 ? 576 : 1152
  const isMono = b3 >> 6 === 3
  const sideBytes = version === 3 ? (isMono ? 17 : 32) : isMono ? 9 : 17
  return {
    layer,
    bytes: Math.floor(((samples / 8) * bitsPerSecond) / sampleRate) + padding,
    sampleRate,
    samples,
    sideBytes,
  }
}

function adtsFrameBytes(data: Uint8Array, at: number): number | null {
  const [sync = 0, b1 = 0, b2 = 0, b3 = 0, b4 = 0, b5 = 0] = data.subarray(at, at + 6)
  if (sync !== 0xff || (b1 & 0xf6) !== 0xf0 || ((b2 >> 2) & 15) > 12) return null
  const length = ((b3 & 3) << 11) | (b4 << 3) | (b5 >> 5)
  return length > 7 ? length : null
}
