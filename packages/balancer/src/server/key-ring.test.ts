import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { formatApiKey, hashApiKey, type AsrError } from '@asr-cluster/protocol'
import { describe, expect, it } from 'vitest'
import { clientOf, KeyRing } from './key-ring.js'

const ring = new KeyRing([hashApiKey('first-key'), hashApiKey('second-key')])

function outcome(headers: IncomingHttpHeaders, keys = ring): string {
  try {
    keys.check({ headers } as IncomingMessage)
    return 'in'
  } catch (error) {
    return (error as AsrError).code
  }
}

describe('KeyRing', () => {
  it.each([
    ['Bearer first-key', 'in'],
    ['bearer  second-key ', 'in'],
    ['Bearer third-key', 'unauthorized'],
    ['Bearer first-ke', 'unauthorized'],
    ['Bearer first-key first-key', 'unauthorized'],
    ['Basic first-key', 'unauthorized'],
    ['first-key', 'unauthorized'],
    [`Bearer ${hashApiKey('first-key')}`, 'unauthorized'],
    ['', 'unauthorized'],
  ])('%s: %s', (authorization, expected) => {
    expect(outcome({ authorization })).toBe(expected)
  })

  it('takes a key that a browser offers as a protocol of a WebSocket', () => {
    const offer = (key: string) => ({ 'sec-websocket-protocol': `realtime, openai-insecure-api-key.${key}` })
    expect(outcome(offer('second-key'))).toBe('in')
    expect(outcome(offer('third-key'))).toBe('unauthorized')
    expect(outcome({ 'sec-websocket-protocol': 'realtime' })).toBe('unauthorized')
  })

  it('lets everybody in when there are no keys', () => {
    expect(outcome({}, new KeyRing([]))).toBe('in')
  })

  it('lets no former key in once the keys are replaced', () => {
    const keys = new KeyRing([hashApiKey('first-key')])
    keys.replace([hashApiKey('second-key')])
    expect(outcome({ authorization: 'Bearer first-key' }, keys)).toBe('unauthorized')
    expect(outcome({ authorization: 'Bearer second-key' }, keys)).toBe('in')
  })

  it('counts what a key without limits has in flight, for those that it is given meanwhile', () => {
    const hash = hashApiKey('first-key')
    const keys = new KeyRing([hash])
    const enter = () => {
      const entry = keys.check({ headers: { authorization: 'Bearer first-key' } } as IncomingMessage)
      return entry?.limiter.enter(0).kind
    }
    expect([enter(), enter()]).toEqual(['entered', 'entered'])
    keys.replace([formatApiKey({ hash, concurrency: 2 })])
    expect(enter()).toBe('refused')
    keys.replace([formatApiKey({ hash, concurrency: 3 })])
    expect([enter(), enter()]).toEqual(['entered', 'refused'])
  })

  it('never says the key in an error', () => {
    expect(() => ring.check({ headers: { authorization: 'Bearer my-secret' } } as IncomingMessage)).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('my-secret') as string }),
    )
  })
})

describe('clientOf', () => {
  const from = (remoteAddress: string) => ({ socket: { remoteAddress } }) as IncomingMessage

  it.each([
    ['10.0.0.1', '::ffff:10.0.0.1', '10.0.0.2'],
    ['2001:db8::1', '2001:db8::ffff:2', '2001:db8:0:1::1'],
  ])('%s is the same client as %s and not as %s', (address, same, other) => {
    const client = clientOf(from(address), undefined)
    expect(clientOf(from(same), undefined)).toBe(client)
    expect(clientOf(from(other), undefined)).not.toBe(client)
  })
})
