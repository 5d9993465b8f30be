import { describe, expect, it } from 'vitest'
import {
  apiKeyEntrySchema,
  apiKeySchema,
  hashApiKey,
  isLoopback,
  parseApiKey,
  parseApiKeysFile,
} from './api-keys.js'

describe('apiKeySchema', () => {
  it('keeps the hash of a key, and a hash as it is', () => {
    const hash = hashApiKey('a-long-key')
    expect(hash).toMatch(/^sha256:[0-9a-f]{64}$/)
    expect(apiKeySchema.parse('a-long-key')).toBe(hash)
    expect(apiKeySchema.parse(hash)).toBe(hash)
  })

  it.each(['', 'short', 'with a space', 'schlüssel', 'x'.repeat(257)])('refuses %j', (key) => {
    expect(apiKeySchema.safeParse(key).success).toBe(false)
  })
})

describe('parseApiKeysFile', () => {
  it('reads one key a line, and skips comments', () => {
    expect(parseApiKeysFile('# keys\n\nfirst-key\r\n  second-key  \n')).toEqual([
      hashApiKey('first-key'),
      hashApiKey('second-key'),
    ])
  })

  it('names the line that is wrong, not what is in it', () => {
    const read = () => parseApiKeysFile('first-key\na secret key\n')
    expect(read).toThrow(/^line 2: expected/)
    expect(read).not.toThrow(/secret/)
  })
})

describe('keys with limits', () => {
  const hash = hashApiKey('some-long-key')

  it('are written as a line or as an object, and kept without the key', () => {
    const line = `${hash} name=batch rate=60/min concurrency=4`
    expect(apiKeyEntrySchema.parse('some-long-key  concurrency=4 rate=60/min name=batch')).toBe(line)
    const entry = { key: 'some-long-key', name: 'batch', requestsPerMinute: 60, concurrency: 4 }
    expect(apiKeyEntrySchema.parse(entry)).toBe(line)
    expect(apiKeyEntrySchema.parse({ key: hash })).toBe(hash)
    expect(apiKeyEntrySchema.parse(line)).toBe(line)
    expect(parseApiKeysFile(`# of the test\n${line}\n`)).toEqual([line])
    expect(parseApiKey(line)).toEqual({ hash, name: 'batch', requestsPerMinute: 60, concurrency: 4 })
  })

  it.each([
    'rate=60',
    'rate=0/min',
    'rate=-1/min',
    'rate=1.5/min',
    'concurrency=0',
    'concurrency=1 concurrency=2',
    'name=a,b',
    'name=',
    'and more words',
  ])('refuses %j behind the key, and shows nothing of the line', (options) => {
    const read = () => parseApiKeysFile(`some-long-key ${options}\n`)
    expect(read).toThrow(/^line 1: expected nothing after the key but/)
    expect(read).not.toThrow(/some-long-key|more words/)
  })

  it.each([{ key: 'short' }, { key: hash, rate: 1 }, { key: hash, requestsPerMinute: 0 }, { name: 'x' }, 7])(
    'refuses %j',
    (entry) => expect(apiKeyEntrySchema.safeParse(entry).success).toBe(false),
  )
})

it('knows which addresses only this machine reaches', () => {
  const hosts = ['127.0.0.1', '127.0.0.2', '127.255.0.9', '::1', 'localhost']
  expect(hosts.filter((host) => !isLoopback(host))).toEqual([])
  const open = ['0.0.0.0', '::', '10.0.0.1', '128.0.0.1', '127.example.com', '127.0.0.1.example.com', '']
  expect(open.filter(isLoopback)).toEqual([])
})
