import { describe, expect, it } from 'vitest'
import { apiKeySchema, hashApiKey, parseApiKeysFile } from './api-keys.js'

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
