import { createHash } from 'node:crypto'
import { z } from 'zod'

const hashed = /^sha256:[0-9a-f]{64}$/
/** Printable ASCII without spaces: what survives an `Authorization` header. */
const plain = /^[\x21-\x7e]{8,256}$/

/** `sha256:` and 64 hexadecimal digits. A random key needs no slow hash, and a hash is no secret worth stealing. */
export function hashApiKey(key: string): string {
  return `sha256:${createHash('sha256').update(key).digest('hex')}`
}

/** An API key as it is, or its hash as `hashApiKey` writes it; the parsed value is the hash, so that no secret is kept. */
export const apiKeySchema = z
  .string()
  .regex(plain, 'expected 8 to 256 printable characters without spaces, or sha256: and 64 hexadecimal digits')
  .transform((key) => (hashed.test(key) ? key : hashApiKey(key)))

/**
 * Hashes of the keys in a file: one key a line, blank lines and lines that begin with # are skipped.
 * Throws RangeError naming the line, never the key.
 */
export function parseApiKeysFile(text: string): string[] {
  return text.split('\n').flatMap((line, index) => {
    const key = line.trim()
    if (key === '' || key.startsWith('#')) return []
    const parsed = apiKeySchema.safeParse(key)
    if (!parsed.success) throw new RangeError(`line ${index + 1}: ${parsed.error.issues[0]?.message}`)
    return [parsed.data]
  })
}

const loopback = new Set(['127.0.0.1', '::1', 'localhost'])

export function isLoopback(host: string): boolean {
  return loopback.has(host)
}
