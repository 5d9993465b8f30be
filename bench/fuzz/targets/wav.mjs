import { decodeAudio } from '../../../packages/asr-instance/dist/audio/decode.js'
import { Spool } from '../../../packages/asr-instance/dist/audio/spool.js'
import { refusal } from '../lib/known.mjs'

function wav({
  tag = 1,
  channels = 1,
  rate = 16_000,
  bits = 16,
  samples = 400,
  extensible = false,
  rf64 = false,
}) {
  const frame = (channels * bits) / 8
  const format = Buffer.alloc(extensible ? 40 : 16)
  format.writeUInt16LE(extensible ? 0xfffe : tag, 0)
  format.writeUInt16LE(channels, 2)
  format.writeUInt32LE(rate, 4)
  format.writeUInt32LE(rate * frame, 8)
  format.writeUInt16LE(frame, 12)
  format.writeUInt16LE(bits, 14)
  if (extensible) {
    format.writeUInt16LE(22, 16)
    format.writeUInt16LE(tag, 24)
    format.write('000000001000800000aa00389b71', 26, 'hex')
  }
  const data = Buffer.alloc(samples * frame, 37)
  const chunk = (id, body, size = body.length) => {
    const head = Buffer.alloc(8)
    head.write(id)
    head.writeUInt32LE(size, 4)
    return Buffer.concat([head, body])
  }
  const long = Buffer.alloc(28)
  long.writeBigUInt64LE(BigInt(data.length), 8)
  const chunks = [
    ...(rf64 ? [chunk('ds64', long)] : []),
    chunk('fmt ', format),
    chunk('LIST', Buffer.from('INFOISFT')),
    chunk('data', data, rf64 ? 0xffffffff : data.length),
  ]
  const body = Buffer.concat([Buffer.from('WAVE'), ...chunks])
  return chunk(rf64 ? 'RF64' : 'RIFF', body)
}

export const seeds = [
  wav({}),
  wav({ channels: 2, rate: 44_100, bits: 24 }),
  wav({ tag: 3, bits: 32, rate: 8_000 }),
  wav({ tag: 3, bits: 64, channels: 6, rate: 48_000 }),
  wav({ tag: 6, bits: 8, rate: 8_000 }),
  wav({ tag: 7, bits: 8, rate: 8_000 }),
  wav({ bits: 8 }),
  wav({ bits: 32, extensible: true, rate: 96_000 }),
  wav({ rf64: true }),
]
export const dictionary = [
  'RIFF',
  'RF64',
  'WAVE',
  'fmt ',
  'data',
  'ds64',
  'LIST',
  'ID3\x04\0\0',
  'OggS',
  'fLaC',
]

export async function run(bytes, { of }) {
  const spool = new Spool({ memoryLimitBytes: of([300, 1e6]) })
  try {
    await spool.write(bytes)
    const options = { signal: new AbortController().signal, maxDurationSeconds: 60, path: '' }
    const { samples } = await decodeAudio(spool, options)
    let count = 0
    for await (const piece of samples) {
      for (const sample of piece) if (!(sample >= -1 && sample <= 1)) throw new Error(`a sample of ${sample}`)
      count += piece.length
    }
    if (count > 61 * 16_000) throw new Error(`${count} samples`)
    return 'taken'
  } catch (error) {
    return refusal(error)
  } finally {
    await spool.close()
  }
}
