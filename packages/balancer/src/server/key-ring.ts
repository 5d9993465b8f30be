import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { AsrError, hashApiKey } from '@asr-cluster/protocol'

/** How a browser, which cannot set headers on a WebSocket, sends its key to OpenAI's API. */
const protocolPrefix = 'openai-insecure-api-key.'

/** The API keys that are let in; without any everybody is. Only hashes are kept. */
export class KeyRing {
  #hashes: readonly Buffer[] = []

  /** `hashes` as `hashApiKey` writes them. */
  constructor(hashes: readonly string[]) {
    this.replace(hashes)
  }

  /** The keys before are let in no more. */
  replace(hashes: readonly string[]): void {
    this.#hashes = hashes.map((hash) => Buffer.from(hash))
  }

  get isOpen(): boolean {
    return this.#hashes.length === 0
  }

  /** Throws AsrError unauthorized. */
  check(request: IncomingMessage): void {
    if (this.lets(request)) return
    const given = keyOf(request) !== undefined
    throw new AsrError(
      'unauthorized',
      given ? 'The API key is not one of this server.' : 'The request has no API key.',
    )
  }

  /** Whether the key of the request, if it needs one, is let in. */
  lets(request: IncomingMessage): boolean {
    if (this.isOpen) return true
    const key = keyOf(request)
    if (key === undefined) return false
    const given = Buffer.from(hashApiKey(key))
    // All are compared, each in constant time: the time tells neither which one it was nor how much of it was right.
    return this.#hashes.filter((hash) => timingSafeEqual(hash, given)).length > 0
  }
}

function keyOf({ headers }: IncomingMessage): string | undefined {
  const bearer = /^bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1]
  if (bearer !== undefined) return bearer
  const protocols = headers['sec-websocket-protocol']?.split(',') ?? []
  const offered = protocols.map((name) => name.trim()).find((name) => name.startsWith(protocolPrefix))
  return offered?.slice(protocolPrefix.length)
}
