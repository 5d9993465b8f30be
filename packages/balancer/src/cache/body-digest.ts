import { createHash } from 'node:crypto'

/** A body in more pieces than this has no digest: each costs a hash, and no client of ours sends so many. */
const mostSegments = 1_000

/**
 * SHA-256 of a request body while it arrives, in which the boundary of a multipart body does not count: clients choose
 * a new one for each request. Nothing else is understood of the body, so every other difference counts.
 *
 * The body is split at the delimiters, each segment is hashed, and so is the list of these hashes; two bodies have the
 * same digest only if they have the same segments.
 */
export class BodyDigest {
  /** The content type without its boundary. */
  readonly contentType: string
  readonly #delimiter: Buffer | undefined
  readonly #list = createHash('sha256')
  #segment = createHash('sha256')
  #segments = 0
  /** Bytes that may be the beginning of a delimiter. The first one needs no line before it. */
  #carry: Buffer = Buffer.from('\r\n')

  constructor(contentType = '') {
    const match = /^multipart\//i.test(contentType)
      ? /;\s*boundary=(?:"([^"]+)"|([^;\s"]+))/i.exec(contentType)
      : null
    const boundary = match?.[1] ?? match?.[2]
    this.#delimiter = boundary === undefined ? undefined : Buffer.from(`\r\n--${boundary}`, 'latin1')
    this.contentType = match ? contentType.replace(match[0], '') : contentType
  }

  update(chunk: Buffer): void {
    const delimiter = this.#delimiter
    if (!delimiter || this.#segments > mostSegments) {
      this.#segment.update(chunk)
      return
    }
    const data = Buffer.concat([this.#carry, chunk])
    let from = 0
    for (let at = data.indexOf(delimiter); at >= 0; at = data.indexOf(delimiter, from)) {
      this.#segment.update(data.subarray(from, at))
      this.#endSegment()
      from = at + delimiter.length
      if (this.#segments > mostSegments) break
    }
    const keepFrom = Math.max(from, data.length - delimiter.length + 1)
    this.#segment.update(data.subarray(from, keepFrom))
    this.#carry = Buffer.from(data.subarray(keepFrom))
  }

  /** Hexadecimal; undefined for a body that has none. */
  finish(): string | undefined {
    if (this.#segments > mostSegments) return undefined
    this.#segment.update(this.#carry)
    this.#endSegment()
    return this.#list.digest('hex')
  }

  #endSegment(): void {
    this.#segments += 1
    this.#list.update(this.#segment.digest())
    this.#segment = createHash('sha256')
  }
}
