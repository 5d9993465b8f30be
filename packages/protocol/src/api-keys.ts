import { createHash } from 'node:crypto'
import { isIPv4 } from 'node:net'
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

/** What one key may do; what is not given is not limited. */
export interface ApiKeyLimits {
  /** A label for logs and metrics, which never show the key. */
  name?: string | undefined
  requestsPerMinute?: number | undefined
  /** Requests and WebSockets at once. */
  concurrency?: number | undefined
}

export interface ApiKey extends ApiKeyLimits {
  /** As `hashApiKey` writes it. */
  hash: string
}

const nameSchema = z
  .string()
  .regex(/^[A-Za-z0-9][\w.-]{0,63}$/, 'expected up to 64 letters, digits, dots, dashes and underscores')
const rateSchema = z.int().min(1).max(1_000_000)
const concurrencySchema = z.int().min(1).max(100_000)
const optionsExpected =
  'expected nothing after the key but name=NAME, rate=N/min and concurrency=N, each once'

/** `KEY [name=NAME] [rate=N/min] [concurrency=N]`. Throws RangeError, which shows nothing of the line. */
export function parseApiKey(line: string): ApiKey {
  const [key = '', ...options] = line.trim().split(/\s+/)
  const hash = apiKeySchema.safeParse(key)
  if (!hash.success) throw new RangeError(hash.error.issues[0]?.message)
  const parsed: ApiKey = { hash: hash.data }
  for (const option of options) {
    const [, name, rate, concurrency] =
      /^(?:name=(.+)|rate=(\d{1,9})\/min|concurrency=(\d{1,9}))$/.exec(option) ?? []
    if (name !== undefined && parsed.name === undefined && nameSchema.safeParse(name).success) {
      parsed.name = name
    } else if (isNewCount(rate, parsed.requestsPerMinute, rateSchema)) {
      parsed.requestsPerMinute = Number(rate)
    } else if (isNewCount(concurrency, parsed.concurrency, concurrencySchema)) {
      parsed.concurrency = Number(concurrency)
    } else throw new RangeError(optionsExpected)
  }
  return parsed
}

function isNewCount(text: string | undefined, before: number | undefined, schema: z.ZodInt): boolean {
  return text !== undefined && before === undefined && schema.safeParse(Number(text)).success
}

/** What `parseApiKey` reads, with the hash in place of the key. */
export function formatApiKey({ hash, name, requestsPerMinute, concurrency }: ApiKey): string {
  return [
    hash,
    ...(name === undefined ? [] : [`name=${name}`]),
    ...(requestsPerMinute === undefined ? [] : [`rate=${requestsPerMinute}/min`]),
    ...(concurrency === undefined ? [] : [`concurrency=${concurrency}`]),
  ].join(' ')
}

const limitedKeySchema = z
  .strictObject({
    key: apiKeySchema.describe('The key, or sha256:HEX.'),
    name: nameSchema.optional().describe('A label for metrics.'),
    requestsPerMinute: rateSchema.optional().describe('More get 429; none for no limit.'),
    concurrency: concurrencySchema.optional().describe('Requests and WebSockets at once; none for no limit.'),
  })
  .transform(({ key, ...limits }) => formatApiKey({ hash: key, ...limits }))

/**
 * An API key of the configuration, with limits or without: as an object, or as a line that `parseApiKey` reads. The parsed
 * value is what `formatApiKey` writes; without a name and limits that is the hash alone.
 */
export const apiKeyEntrySchema = z.union([
  z.string().transform((line, context) => {
    try {
      return formatApiKey(parseApiKey(line))
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message })
      return z.NEVER
    }
  }),
  limitedKeySchema,
])

/**
 * The keys in a file as `apiKeyEntrySchema` gives them: one a line, blank lines and lines that begin with # are skipped.
 * Throws RangeError naming the line, never the key.
 */
export function parseApiKeysFile(text: string): string[] {
  return text.split('\n').flatMap((line, index) => {
    const key = line.trim()
    if (key === '' || key.startsWith('#')) return []
    try {
      return [formatApiKey(parseApiKey(key))]
    } catch (error) {
      throw new RangeError(`line ${index + 1}: ${(error as Error).message}`, { cause: error })
    }
  })
}

/** True for an address that only this machine reaches: all of 127.0.0.0/8, and ::1. */
export function isLoopback(host: string): boolean {
  return host === '::1' || host === 'localhost' || (isIPv4(host) && host.startsWith('127.'))
}
