const closeOpcode = 8

/**
 * Follows the frames of one direction of a WebSocket (RFC 6455 §5.2) without looking into them, to know where a frame of
 * our own can be put in.
 */
export class FrameTracker {
  #header: number[] = []
  #payloadLeft = 0
  /** A close frame passed: nothing may follow it. */
  closed = false

  get atBoundary(): boolean {
    return this.#header.length === 0 && this.#payloadLeft === 0
  }

  /** Takes note of bytes that are passed on; returns the index after the first frame that ends in them, or -1. */
  pass(chunk: Uint8Array): number {
    let boundary = -1
    for (let index = 0; index < chunk.length;) {
      if (this.#payloadLeft > 0) {
        const taken = Math.min(this.#payloadLeft, chunk.length - index)
        this.#payloadLeft -= taken
        index += taken
      } else {
        this.#header.push(chunk[index] as number)
        index += 1
        this.#startPayload()
      }
      if (boundary < 0 && this.atBoundary) boundary = index
    }
    return boundary
  }

  /** Once the header is whole, its payload begins. */
  #startPayload(): void {
    const [first = 0, second = 0] = this.#header
    if (this.#header.length < 2) return
    const short = second & 0x7f
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0
    const maskBytes = second & 0x80 ? 4 : 0
    if (this.#header.length < 2 + lengthBytes + maskBytes) return
    const extended = this.#header.slice(2, 2 + lengthBytes).reduce((sum, byte) => sum * 256 + byte, 0)
    this.#payloadLeft = lengthBytes === 0 ? short : extended
    this.#header = []
    if ((first & 0x0f) === closeOpcode) this.closed = true
  }
}

/** A server's close frame. `reason` is at most 123 bytes of UTF-8. */
export function closeFrame(code: number, reason: string): Buffer {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason))
  payload.writeUInt16BE(code)
  payload.write(reason, 2)
  return Buffer.concat([Buffer.from([0x80 | closeOpcode, payload.length]), payload])
}
