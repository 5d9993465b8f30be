import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { AsrError, hashApiKey, parseApiKey, type ApiKey } from '@asr-cluster/protocol'
import { KeyLimiter } from '../limits/key-limiter.js'
import { sourceOf } from './connection-limit.js'
import { clientAddress } from './headers.js'

/** How a browser, which cannot set headers on a WebSocket, sends its key to OpenAI's API. */
const protocolPrefix = 'openai-insecure-api-key.'

/** A key that is let in. */
export interface KnownKey {
  /** The same for each way in which a client may write the key; keeps it secret. */
  id: string
  /** Counts without limits, too: there may be some while its requests are in flight. */
  limiter: KeyLimiter
}

/**
 * The unit of fairness: the key that was let in, else whose connection it is, as the limits of addresses see it. A key that
 * nobody checks, or each address of an IPv6 network, would make one client into as many as it likes.
 */
export function clientOf(request: IncomingMessage, key: KnownKey | undefined): string {
  return key?.id ?? sourceOf(clientAddress(request))
}

interface HeldKey extends KnownKey {
  hash: Buffer
}

/** The API keys that are let in; without any everybody is. Only hashes are kept. */
export class KeyRing {
  #keys: readonly HeldKey[] = []

  /** `entries` as `formatApiKey` writes them; a key that is there twice has the limits of the first one. */
  constructor(entries: readonly string[]) {
    this.replace(entries)
  }

  /** The keys before are let in no more. A key that stays keeps the count of its requests. */
  replace(entries: readonly string[]): void {
    const before = new Map(this.#keys.map(({ hash, limiter }) => [hash.toString(), limiter]))
    const first = new Map<string, ApiKey>()
    for (const key of entries.map(parseApiKey)) if (!first.has(key.hash)) first.set(key.hash, key)
    this.#keys = [...first.values()].map(({ hash, ...limits }) => {
      const limiter = before.get(hash) ?? new KeyLimiter(limits)
      limiter.setLimits(limits)
      return { id: hash, hash: Buffer.from(hash), limiter }
    })
  }

  get isOpen(): boolean {
    return this.#keys.length === 0
  }

  /** Returns the key of the request; undefined where none is needed. Throws AsrError unauthorized. */
  check(request: IncomingMessage): KnownKey | undefined {
    if (this.isOpen) return undefined
    const key = keyOf(request)
    const held = key === undefined ? undefined : this.#find(key)
    if (held) return held
    throw new AsrError(
      'unauthorized',
      key === undefined ? 'The request has no API key.' : 'The API key is not one of this server.',
    )
  }

  /** Whether the key of the request, if it needs one, is let in. */
  lets(request: IncomingMessage): boolean {
    if (this.isOpen) return true
    const key = keyOf(request)
    return key !== undefined && this.#find(key) !== undefined
  }

  #find(key: string): HeldKey | undefined {
    const given = Buffer.from(hashApiKey(key))
    // All are compared, each in constant time: the time tells neither which one it was nor how much of it was right.
    return this.#keys.filter(({ hash }) => timingSafeEqual(hash, given))[0]
  }
}

function keyOf({ headers }: IncomingMessage): string | undefined {
  const bearer = /^bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1]
  if (bearer !== undefined) return bearer
  const protocols = headers['sec-websocket-protocol']?.split(',') ?? []
  const offered = protocols.map((name) => name.trim()).find((name) => name.startsWith(protocolPrefix))
  return offered?.slice(protocolPrefix.length)
}
