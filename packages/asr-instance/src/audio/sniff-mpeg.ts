const mpeg1Layer2 = [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384]
const mpeg1Layer3 = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320]
const mpeg2 = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]
const sampleRates = [44100, 48000, 32000]

/**
 * MP3 and ADTS AAC have no magic number, only frames that follow each other. Two headers in a row at the right
 * distance are asked for, because one alone (11 bits) is found in any data.
 */
export function findMpegAudio(head: Uint8Array): { name: string; demuxer: string } | null {
  for (let at = 0; at + 7 <= head.length; at++) {
    if (head[at] !== 0xff) continue
    for (const [length, name, demuxer] of [
      [mp3FrameBytes(head, at), 'MP3', 'mp3'],
      [adtsFrameBytes(head, at), 'AAC', 'aac'],
    ] as const) {
      if (length === null) continue
      const next = at + length
      // A file of a single frame ends where the second would begin.
      if (next === head.length) return { name, demuxer }
      const following = name === 'MP3' ? mp3FrameBytes(head, next) : adtsFrameBytes(head, next)
      if (following !== null) return { name, demuxer }
    }
  }
  return null
}

function mp3FrameBytes(data: Uint8Array, at: number): number | null {
  const [sync = 0, b1 = 0, b2 = 0] = data.subarray(at, at + 3)
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
  const bytesPerFrame = version !== 3 && layer === 3 ? 72 : 144
  return Math.floor((bytesPerFrame * bitsPerSecond) / (rate / 2 ** halvings)) + padding
}

function adtsFrameBytes(data: Uint8Array, at: number): number | null {
  const [sync = 0, b1 = 0, b2 = 0, b3 = 0, b4 = 0, b5 = 0] = data.subarray(at, at + 6)
  if (sync !== 0xff || (b1 & 0xf6) !== 0xf0 || ((b2 >> 2) & 15) > 12) return null
  const length = ((b3 & 3) << 11) | (b4 << 3) | (b5 >> 5)
  return length > 7 ? length : null
}
