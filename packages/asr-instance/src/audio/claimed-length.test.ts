import { describe, expect, it } from 'vitest'
import { checkBytes, checkSeconds, claimIn } from './claimed-length.js'

const bytes = (...parts: (string | number[] | Buffer)[]): Buffer =>
  Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))),
  )

const u32 = (value: number): Buffer => {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32BE(value)
  return buffer
}

function flac(rate: number, samples: number): Buffer {
  const packed = Buffer.alloc(8)
  packed.writeBigUInt64BE((BigInt(rate) << 44n) | (0xf0n << 36n) | BigInt(samples))
  return bytes('fLaC', [0, 0, 0, 34], Buffer.alloc(10), packed, Buffer.alloc(16))
}

/** Two frames, in the first of which an encoder says how many follow. */
function mp3(header: number[], frameBytes: number, sideBytes: number, tag: string, flags: number): Buffer {
  const first = Buffer.alloc(frameBytes)
  bytes(header, Buffer.alloc(sideBytes), tag, u32(flags), u32(1_000)).copy(first)
  return bytes(first, header, Buffer.alloc(frameBytes))
}
/** 64 kb/s at 44.1 kHz, and of MPEG 2 at 22.05 kHz, stereo or mono. */
const mpeg1 = (mode: number) => [0xff, 0xfb, 0x50, mode]
const mpeg2 = (mode: number) => [0xff, 0xf3, 0x80, mode]

const ebml = bytes('\x1aE\xdf\xa3', [0x83], 'abc', '\x18S\x80g')

describe('what a header claims', () => {
  it.each([
    ['FLAC', 'flac', flac(44_100, 441_000), { seconds: 10 }],
    ['FLAC of 2^33 samples', 'flac', flac(96_000, 2 ** 33), { seconds: 2 ** 33 / 96_000 }],
    ['FLAC from a pipe', 'flac', flac(44_100, 0), undefined],
    ['MP3, stereo', 'mp3', mp3(mpeg1(0), 208, 32, 'Xing', 1), { seconds: 1_152_000 / 44_100 }],
    ['MP3, mono', 'mp3', mp3(mpeg1(0xc0), 208, 17, 'Info', 15), { seconds: 1_152_000 / 44_100 }],
    ['MP3 of 22.05 kHz', 'mp3', mp3(mpeg2(0), 208, 17, 'Info', 1), { seconds: 576_000 / 22_050 }],
    ['MP3 of 22.05 kHz, mono', 'mp3', mp3(mpeg2(0xc0), 208, 9, 'Info', 1), { seconds: 576_000 / 22_050 }],
    ['MP3 whose tag has no frames', 'mp3', mp3(mpeg1(0), 208, 32, 'Xing', 14), undefined],
    ['MP3 without a tag', 'mp3', mp3(mpeg1(0), 208, 32, 'none', 1), undefined],
    ['Matroska', 'matroska', bytes(ebml, [0x01, 0, 0, 0, 0, 0, 1, 2]), { bytes: 20 + 258 }],
    ['Matroska, a length of two bytes', 'matroska', bytes(ebml, [0x41, 2]), { bytes: 14 + 258 }],
    ['Matroska as it is recorded', 'matroska', bytes(ebml, [0x01], Buffer.alloc(7, 0xff)), undefined],
    ['WebM of a browser', 'matroska', bytes(ebml, [0xff]), undefined],
    ['AIFF', 'aiff', bytes('FORM', u32(1_000), 'AIFF'), { bytes: 1_008 }],
    ['AU', 'au', bytes('.snd', u32(24), u32(1_000)), { bytes: 1_024 }],
    ['AU from a pipe', 'au', bytes('.snd', u32(24), u32(0xffffffff)), undefined],
    ['AVI', 'avi', bytes('RIFF', [0xe8, 3, 0, 0], 'AVI '), { bytes: 1_008 }],
    ['AVI that was not ended', 'avi', bytes('RIFF', [0, 0, 0, 0], 'AVI '), undefined],
    ['MPEG-TS', 'mpegts', bytes('G', Buffer.alloc(187), 'G'), undefined],
  ])('%s', (_, demuxer, head, claim) => {
    expect(claimIn(head, demuxer)).toEqual(claim)
  })

  it.each(['flac', 'mp3', 'matroska', 'aiff', 'au', 'avi'])('is nothing in a few bytes of %s', (demuxer) => {
    for (const head of [flac(44_100, 1), mp3(mpeg1(0), 208, 32, 'Xing', 1), bytes(ebml, [0x41, 2])])
      for (let length = 0; length < 16; length += 1)
        expect(() => claimIn(head.subarray(0, length), demuxer)).not.toThrow()
  })
})

describe('a file', () => {
  it('may lack the last byte, but no two', () => {
    expect(() => checkBytes('AIFF', { bytes: 1_008 }, 1_007)).not.toThrow()
    expect(() => checkBytes('AIFF', { bytes: 1_008 }, 2_000)).not.toThrow()
    expect(() => checkBytes('AIFF', { bytes: 1_008 }, 1_006)).toThrow(
      'The AIFF header claims 1008 bytes, but the file has 1006.',
    )
  })

  it('may lack a second, and of a long recording a hundredth', () => {
    expect(() => checkSeconds('MP3', { seconds: 10 }, 9)).not.toThrow()
    expect(() => checkSeconds('MP3', { seconds: 1_000 }, 990)).not.toThrow()
    for (const [claimed, present] of [
      [10, 8.9],
      [1_000, 989],
    ] as const)
      expect(() => checkSeconds('MP3', { seconds: claimed }, present)).toThrow(
        expect.objectContaining({ code: 'audio_truncated' }),
      )
  })
})
