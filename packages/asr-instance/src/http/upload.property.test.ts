import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { AsrError } from '@asr-cluster/protocol'
import { describe, expect, it } from 'vitest'
import { Spool } from '../audio/spool.js'
import { asrForm, fieldNames, parseForm, transcriptionForm } from './form.js'
import { receiveUpload } from './upload.js'

/** Of a fixed seed, so that a failure can be repeated (mulberry32). */
function randomOf(seed: number) {
  let state = seed
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const below = (count: number) => Math.floor(next() * count)
  return {
    below,
    chance: (p: number) => next() < p,
    of: <T>(list: readonly T[]) => list[below(list.length)] as T,
  }
}
type Random = ReturnType<typeof randomOf>

const names = [
  'audio',
  'file',
  'language',
  'model',
  'prompt',
  'temperature',
  'stream',
  'x',
  '',
  '__proto__',
  'a[]',
]
const values = [
  '',
  'auto',
  'en',
  '0.5',
  'true',
  'ü',
  '\u0000',
  'x'.repeat(300),
  '\r\n--',
  '--',
  'constructor',
]

function randomPart(random: Random): Buffer {
  const name = random.chance(0.02) ? 'n'.repeat(random.below(100_000)) : random.of(names)
  const isFile = random.chance(0.5)
  const type = random.of([
    '',
    'Content-Type: audio/wav\r\n',
    'Content-Type: text/plain; charset=utf-16le\r\n',
  ])
  const encoding = random.chance(0.1) ? 'Content-Transfer-Encoding: base64\r\n' : ''
  const disposition = `Content-Disposition: form-data; name="${name}"${isFile ? '; filename="a"' : ''}\r\n`
  const body = isFile ? Buffer.alloc(random.below(2000), random.below(256)) : Buffer.from(random.of(values))
  return Buffer.concat([Buffer.from(`${disposition}${type}${encoding}\r\n`), body])
}

function randomBody(random: Random, boundary: string): Buffer {
  const parts = Array.from({ length: random.below(random.chance(0.05) ? 120 : 6) }, () => randomPart(random))
  const pieces = parts.flatMap((part) => [Buffer.from(`--${boundary}\r\n`), part, Buffer.from('\r\n')])
  return Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)])
}

/** Most bodies are good in part and broken in one place, which reaches deeper than noise does. */
function damage(random: Random, body: Buffer): Buffer {
  const at = random.below(body.length)
  switch (random.below(5)) {
    case 0:
      return body.subarray(0, at)
    case 1:
      return Buffer.concat([body.subarray(0, at), body.subarray(at + random.below(30))])
    case 2: {
      const changed = Buffer.from(body)
      changed[at] = random.below(256)
      return changed
    }
    case 3:
      return Buffer.concat([
        body.subarray(0, at),
        Buffer.from(random.of(['\r\n', '--', '\0', '"', ':'])),
        body.subarray(at),
      ])
    default:
      return body
  }
}

function* cut(random: Random, body: Buffer): Generator<Buffer> {
  for (let at = 0; at < body.length;) {
    const length = random.chance(0.3) ? 1 + random.below(5) : 1 + random.below(5000)
    yield body.subarray(at, at + length)
    at += length
  }
}

async function receive(seed: number): Promise<'received' | AsrError> {
  const random = randomOf(seed)
  const boundary = random.of(['b', '----WebKitFormBoundaryx', '-', "'()+_,-./:=?", 'x'.repeat(70)])
  const body = damage(random, randomBody(random, boundary))
  const type = random.chance(0.02)
    ? random.of([
        'multipart/form-data',
        'multipart/form-data; boundary=',
        'multipart/form-data; boundary="',
        '',
      ])
    : `multipart/form-data; boundary="${boundary}"`
  const headers = { 'content-type': type, 'content-length': String(body.length) }
  const req = Object.assign(Readable.from(cut(random, body)), { headers }) as unknown as IncomingMessage
  const form = random.of([asrForm, transcriptionForm])
  try {
    const upload = await receiveUpload(req, {
      fileFields: random.of([
        ['audio', 'file'],
        ['file', 'audio'],
      ]),
      textFields: fieldNames(form),
      maxBodyBytes: random.of([500, 3000, 1_000_000]),
      signal: new AbortController().signal,
      createSpool: () => new Spool({ memoryLimitBytes: random.of([0, 100, 1e6]) }),
    })
    await upload.file.close()
    parseForm(form, upload.fields)
    return 'received'
  } catch (error) {
    if (error instanceof AsrError) return error
    throw new Error(`seed ${seed}`, { cause: error })
  }
}

/** `MULTIPART_CASES=100000` for more of them; each has its own seed. */
const cases = Number(process.env['MULTIPART_CASES'] ?? 20_000)

describe('any multipart body', () => {
  it(
    'is received, or refused with a 4xx of the catalogue; never a crash, never a hang',
    async () => {
      const outcomes = new Map<string, number>()
      for (let seed = 0; seed < cases; seed++) {
        const outcome = await receive(seed)
        const name = outcome === 'received' ? outcome : outcome.code
        if (outcome !== 'received') {
          expect(outcome.status, `seed ${seed}: ${outcome.message}`).toBeGreaterThanOrEqual(400)
          expect(outcome.status, `seed ${seed}: ${outcome.message}`).toBeLessThan(500)
        }
        outcomes.set(name, (outcomes.get(name) ?? 0) + 1)
      }
      // Otherwise the cases would be too tame, or too wild.
      for (const name of ['received', 'missing_file', 'invalid_request', 'file_too_large']) {
        expect(outcomes.get(name), name).toBeGreaterThan(cases / 40)
      }
    },
    cases * 6,
  )
})
