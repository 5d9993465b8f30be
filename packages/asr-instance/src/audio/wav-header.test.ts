import { describe, expect, it } from 'vitest'
import { Spool } from './spool.js'
import { parseWavHeader } from './wav-header.js'

interface Header {
  riff?: string
  riffSize?: number
  tag?: number
  channels?: number
  rate?: number
  frameBytes?: number
  bits?: number
  extra?: Buffer
}

function chunk(id: string, body: Buffer, claimed = body.length): Buffer {
  const head = Buffer.alloc(8)
  head.write(id, 'latin1')
  head.writeUInt32LE(claimed, 4)
  return Buffer.concat([head, body, Buffer.alloc(body.length % 2)])
}

function format({ tag = 1, channels = 1, rate = 16_000, frameBytes = 2, bits = 16, extra }: Header): Buffer {
  const body = Buffer.alloc(16)
  body.writeUInt16LE(tag, 0)
  body.writeUInt16LE(channels, 2)
  body.writeUInt32LE(rate, 4)
  body.writeUInt16LE(frameBytes, 12)
  body.writeUInt16LE(bits, 14)
  return chunk('fmt ', extra ? Buffer.concat([body, extra]) : body)
}

function riff(chunks: Buffer[], header: Header = {}): Buffer {
  const head = Buffer.alloc(12)
  head.write(header.riff ?? 'RIFF', 'latin1')
  const body = Buffer.concat(chunks)
  head.writeUInt32LE(header.riffSize ?? body.length + 4, 4)
  head.write('WAVE', 8, 'latin1')
  return Buffer.concat([head, body])
}

async function parse(file: Buffer) {
  const spool = new Spool()
  await spool.write(file)
  return parseWavHeader(spool)
}

const data = chunk('data', Buffer.alloc(8))
const extensibleTail = '000000001000800000aa00389b71'

function extensible(subFormat: number): Buffer {
  return Buffer.concat([
    Buffer.from([22, 0, 24, 0, 4, 0, 0, 0]),
    Buffer.from([subFormat, 0]),
    Buffer.from(extensibleTail, 'hex'),
  ])
}

describe('parseWavHeader', () => {
  it.each([
    [{}, 's16'],
    [{ bits: 8, frameBytes: 1 }, 'u8'],
    [{ bits: 24, frameBytes: 3 }, 's24'],
    [{ bits: 20, frameBytes: 3 }, 's24'],
    [{ bits: 32, frameBytes: 4 }, 's32'],
    [{ bits: 12, frameBytes: 2 }, 's16'],
    [{ tag: 3, bits: 32, frameBytes: 4 }, 'f32'],
    [{ tag: 3, bits: 64, frameBytes: 8 }, 'f64'],
    [{ tag: 6, bits: 8, frameBytes: 1 }, 'alaw'],
    [{ tag: 7, bits: 8, frameBytes: 1 }, 'mulaw'],
    [{ tag: 0xfffe, bits: 32, frameBytes: 4, extra: extensible(1) }, 's32'],
    [{ tag: 0xfffe, bits: 32, frameBytes: 4, extra: extensible(3) }, 'f32'],
  ] as [Header, string][])('reads %j as %s', async (header, expected) => {
    expect(await parse(riff([format(header), data]))).toMatchObject({ kind: 'pcm', format: expected })
  })

  it('finds the samples behind other chunks, padded to even sizes', async () => {
    const file = riff([
      chunk('LIST', Buffer.alloc(33)),
      format({ rate: 44_100 }),
      chunk('fact', Buffer.alloc(5)),
      data,
    ])
    expect(await parse(file)).toEqual({
      kind: 'pcm',
      format: 's16',
      channels: 1,
      sampleRate: 44_100,
      frameBytes: 2,
      dataOffset: file.length - 8,
      dataBytes: 8,
    })
  })

  it('cuts an incomplete last frame and does not need the last padding byte', async () => {
    expect(await parse(riff([format({}), data.subarray(0, 8), Buffer.alloc(8)]))).toMatchObject({
      dataBytes: 8,
    })
    const odd = riff([format({}), chunk('data', Buffer.alloc(7))])
    expect(await parse(odd.subarray(0, odd.length - 1))).toMatchObject({ dataBytes: 6 })
  })

  it('takes the 64-bit length of RF64', async () => {
    const ds64 = Buffer.alloc(28)
    ds64.writeBigUInt64LE(8n, 8)
    const long = chunk('data', Buffer.alloc(8), 0xffffffff)
    expect(await parse(riff([chunk('ds64', ds64), format({}), long], { riff: 'RF64' }))).toMatchObject({
      dataBytes: 8,
    })
    ds64.writeBigUInt64LE(5_000_000_000n, 8)
    await expect(
      parse(riff([chunk('ds64', ds64), format({}), long], { riff: 'RF64' })),
    ).rejects.toMatchObject({
      code: 'audio_truncated',
      message: expect.stringContaining('claims 5000000000 bytes of samples, but the file has 8'),
    })
  })

  it.each([9, 4_000_000_000, 0xffffffff])('refuses a claim of %i bytes when there are 8', async (claimed) => {
    const file = riff([format({}), chunk('data', Buffer.alloc(8), claimed)])
    await expect(parse(file)).rejects.toMatchObject({
      code: 'audio_truncated',
      status: 400,
      message: expect.stringContaining(`claims ${claimed} bytes of samples, but the file has 8`),
    })
  })

  it.each([
    [0, 1],
    [36, 1],
    [0xffffffff, 1],
    [0, 0x0011],
  ])(
    'says why a claim of 0 bytes before samples is refused (RIFF of %i bytes, codec %i)',
    async (riffSize, tag) => {
      const file = riff([format({ tag }), chunk('data', Buffer.alloc(8), 0)], { riffSize })
      await expect(parse(file)).rejects.toMatchObject({
        code: 'audio_invalid',
        message: expect.stringMatching(
          /claims 0 bytes of samples, and 8 bytes follow\..* pipe .*to a file instead/,
        ),
      })
    },
  )

  it('takes an empty recording with a chunk behind it for what it is', async () => {
    const file = riff([format({}), chunk('data', Buffer.alloc(0)), chunk('LIST', Buffer.alloc(8))])
    await expect(parse(file)).rejects.toMatchObject({
      message: 'The WAV file has 0 bytes of samples: no sound.',
    })
  })

  it.each([0x0002, 0x0011, 0x0055])('refuses such a claim of codec %i too', async (tag) => {
    const other = format({ tag, bits: 4, frameBytes: 1024 })
    const file = riff([other, chunk('data', Buffer.alloc(8), 9)])
    await expect(parse(file)).rejects.toMatchObject({
      code: 'audio_truncated',
      message: expect.stringContaining('claims 9 bytes of samples, but the file has 8'),
    })
  })

  it.each([1000, 768_000])('takes %i Hz', async (rate) => {
    expect(await parse(riff([format({ rate }), data]))).toMatchObject({ sampleRate: rate })
  })

  it('leaves other codecs to others', async () => {
    expect(await parse(riff([format({ tag: 2, bits: 4, frameBytes: 1024 }), data]))).toEqual({
      kind: 'other',
      formatTag: 2,
    })
  })

  it.each([
    ['0 channels', riff([format({ channels: 0 }), data])],
    ['300 channels', riff([format({ channels: 300, frameBytes: 600 }), data])],
    ['0 samples a second; 1000 to 768000', riff([format({ rate: 0 }), data])],
    ['999 samples a second; 1000 to 768000', riff([format({ rate: 999 }), data])],
    ['800000 samples a second; 1000 to 768000', riff([format({ rate: 800_000 }), data])],
    ['contradicts itself', riff([format({ bits: 32, frameBytes: 2 }), data])],
    ['contradicts itself', riff([format({ frameBytes: 0 }), data])],
    ['contradicts itself', riff([format({ channels: 2, frameBytes: 3 }), data])],
    ['contradicts itself', riff([format({ bits: 0 }), data])],
    ['before it says their format', riff([data, format({})])],
    ['too short', riff([format({ tag: 0xfffe }), data])],
    ['has 4 bytes', riff([chunk('fmt ', Buffer.alloc(4)), data])],
    ['no sound', riff([format({}), chunk('data', Buffer.alloc(0))])],
    ['before its samples', riff([format({})])],
    [
      'more than 1024 chunks',
      riff([format({}), ...Array.from({ length: 1100 }, () => chunk('junk', Buffer.alloc(0)))]),
    ],
  ])('says `%s`', async (message, file) => {
    await expect(parse(file)).rejects.toMatchObject({
      code: 'audio_invalid',
      message: expect.stringContaining(message),
    })
  })

  it('never throws anything but a coded error, wherever the file is cut', async () => {
    const file = riff([chunk('LIST', Buffer.alloc(3)), format({ tag: 0xfffe, extra: extensible(1) }), data])
    for (let length = 12; length < file.length; length++) {
      await expect(parse(file.subarray(0, length))).rejects.toMatchObject({ code: 'audio_truncated' })
    }
  })
})
