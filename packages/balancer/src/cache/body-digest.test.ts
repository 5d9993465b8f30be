import { describe, expect, it } from 'vitest'
import { seededRandom } from '../fixtures/random.js'
import { BodyDigest } from './body-digest.js'

function multipart(boundary: string, fields: Record<string, string>): Buffer {
  const parts = Object.entries(fields).map(
    ([name, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  )
  return Buffer.from(`${parts.join('')}--${boundary}--\r\n`, 'latin1')
}

function digestOf(contentType: string | undefined, ...chunks: Buffer[]): string | undefined {
  const digest = new BodyDigest(contentType)
  for (const chunk of chunks) digest.update(chunk)
  return digest.finish()
}

const typeOf = (boundary: string) => `multipart/form-data; boundary=${boundary}`
const fields = { audio: 'RIFF\r\n--data', language: 'en' }

describe('BodyDigest', () => {
  it('is the same for the same form with any boundary', () => {
    const expected = digestOf(typeOf('a'), multipart('a', fields))
    expect(expected).toMatch(/^[0-9a-f]{64}$/)
    for (const boundary of ['b', '----WebKitFormBoundary7MA4YWxk', 'x'.repeat(70)]) {
      expect(digestOf(typeOf(boundary), multipart(boundary, fields))).toBe(expected)
      expect(digestOf(typeOf(`"${boundary}"`), multipart(boundary, fields))).toBe(expected)
    }
    expect(new BodyDigest(typeOf('a')).contentType).toBe(new BodyDigest(typeOf('"b"')).contentType)
  })

  it('does not depend on how the body is cut', () => {
    const random = seededRandom(7)
    const body = multipart('boundary', fields)
    const expected = digestOf(typeOf('boundary'), body)
    for (let round = 0; round < 200; round++) {
      const chunks: Buffer[] = []
      for (let at = 0; at < body.length;) {
        const length = 1 + Math.floor(random() * 20)
        chunks.push(body.subarray(at, at + length))
        at += length
      }
      expect(digestOf(typeOf('boundary'), ...chunks)).toBe(expected)
    }
  })

  it('differs with any other byte', () => {
    const body = multipart('b', fields)
    const seen = new Set([digestOf(typeOf('b'), body)])
    for (let at = 0; at < body.length; at++) {
      const changed = Buffer.from(body)
      changed[at] = (changed[at] as number) ^ 1
      seen.add(digestOf(typeOf('b'), changed))
    }
    expect(seen.size).toBe(body.length + 1)
  })

  it('tells a delimiter from text that looks like one', () => {
    const moved = { audio: 'RIFF', language: 'en\r\n--data' }
    expect(digestOf(typeOf('b'), multipart('b', moved))).not.toBe(
      digestOf(typeOf('b'), multipart('b', fields)),
    )
    expect(digestOf(typeOf('b'), Buffer.from('--b\r\nx\r\n--b--'))).not.toBe(
      digestOf(typeOf('b'), Buffer.from('--b\r\nx--b--')),
    )
  })

  it('takes any other body as it is', () => {
    expect(digestOf(undefined, Buffer.from('ab'))).toBe(digestOf('', Buffer.from('a'), Buffer.from('b')))
    expect(digestOf('audio/wav', Buffer.from('a'))).not.toBe(digestOf('audio/wav', Buffer.from('b')))
  })

  it('gives up on a body of very many parts', () => {
    const body = Buffer.from('\r\n--b'.repeat(100_000))
    expect(digestOf(typeOf('b'), body, body)).toBeUndefined()
  })
})
