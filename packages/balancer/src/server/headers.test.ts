import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { forwardedRequestHeaders, forwardedResponseHeaders, requestIdOf } from './headers.js'

/** The part of a request that the functions read, from raw headers. */
function request(...rawHeaders: string[]): IncomingMessage {
  const headers: Record<string, string> = {}
  for (let index = 0; index < rawHeaders.length; index += 2) {
    headers[(rawHeaders[index] as string).toLowerCase()] = rawHeaders[index + 1] as string
  }
  return { rawHeaders, headers, socket: { remoteAddress: '::ffff:10.0.0.9' } } as unknown as IncomingMessage
}

function pairs(list: string[]): Record<string, string> {
  const result: Record<string, string> = {}
  for (let index = 0; index < list.length; index += 2)
    result[(list[index] as string).toLowerCase()] = list[index + 1] as string
  return result
}

describe('forwardedRequestHeaders', () => {
  it('keeps ordinary headers as they were written', () => {
    const list = forwardedRequestHeaders(request('X-Thing', 'A', 'Content-Type', 'audio/wav'), 'id')
    expect(list.slice(0, 4)).toEqual(['X-Thing', 'A', 'Content-Type', 'audio/wav'])
  })

  it('strips hop-by-hop headers and what Connection names', () => {
    const hop = [
      'Connection',
      'close, X-Secret',
      'X-Secret',
      '1',
      'Keep-Alive',
      'timeout=5',
      'TE',
      'trailers',
    ]
    const more = [
      'Trailer',
      'a',
      'Upgrade',
      'h2c',
      'Proxy-Authorization',
      'x',
      'Transfer-Encoding',
      'chunked',
      'Expect',
      '100-continue',
    ]
    const names = Object.keys(pairs(forwardedRequestHeaders(request(...hop, ...more), 'id')))
    expect(names.sort()).toEqual(['x-forwarded-for', 'x-forwarded-proto', 'x-real-ip', 'x-request-id'])
  })

  it('does not let a client pass for a probe', () => {
    expect(forwardedRequestHeaders(request('X-ASR-Probe', '1'), 'id')).not.toContain('X-ASR-Probe')
  })

  it('tells who the client is, after whoever told it before', () => {
    const list = pairs(
      forwardedRequestHeaders(
        request('Host', 'asr.example', 'X-Forwarded-For', '1.2.3.4', 'X-Real-IP', 'forged'),
        'id-1',
      ),
    )
    expect(list).toMatchObject({
      host: 'asr.example',
      'x-forwarded-for': '1.2.3.4, 10.0.0.9',
      'x-real-ip': '10.0.0.9',
      'x-forwarded-host': 'asr.example',
      'x-forwarded-proto': 'http',
      'x-request-id': 'id-1',
    })
  })
})

describe('forwardedResponseHeaders', () => {
  it('strips what belongs to the connection and names the instance', () => {
    const raw = [
      'Connection',
      'close, X-Hop',
      'X-Hop',
      '1',
      'Content-Type',
      'text/plain',
      'x-asr-instance',
      'liar',
    ].map((text) => Buffer.from(text))
    expect(forwardedResponseHeaders(raw, 'id', 'a')).toEqual([
      'Content-Type',
      'text/plain',
      'x-request-id',
      'id',
      'x-asr-instance',
      'a',
    ])
  })

  it('keeps several cookies', () => {
    const raw = ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2'].map((text) => Buffer.from(text))
    expect(forwardedResponseHeaders(raw, 'id', 'a').slice(0, 4)).toEqual([
      'Set-Cookie',
      'a=1',
      'Set-Cookie',
      'b=2',
    ])
  })
})

describe('requestIdOf', () => {
  it.each(['abc-123', 'a/b:c.d=e+f@g', 'x'.repeat(128)])('keeps %s', (id) => {
    expect(requestIdOf(request('X-Request-Id', id))).toBe(id)
  })

  it.each(['', 'with space', 'quote"', 'line\nbreak', 'x'.repeat(129), 'é'])('replaces %j', (id) => {
    expect(requestIdOf(request('X-Request-Id', id))).toMatch(/^[\w-]{12}-[\da-z]+$/)
  })
})
