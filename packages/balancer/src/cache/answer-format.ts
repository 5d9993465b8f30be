import { z } from 'zod'
import type { Answer } from '../exchange/answer.js'

/** Of the bytes below; another one stands under other names, so that balancers of two versions share a place in peace. */
export const formatVersion = 1

const headSchema = z.strictObject({
  status: z.literal(200),
  statusText: z.string(),
  headers: z.array(z.string()).refine(({ length }) => length % 2 === 0),
  bodyBytes: z.int().min(0),
})

/** An answer as bytes: its head as a line of JSON, and its body. */
export function encodeAnswer({ status, statusText, headers, body }: Answer): Buffer {
  const head = JSON.stringify({ status, statusText, headers, bodyBytes: body.length })
  return Buffer.concat([Buffer.from(`${head}\n`), body])
}

/** undefined for bytes that are no whole answer. */
export function decodeAnswer(bytes: Buffer): Answer | undefined {
  const end = bytes.indexOf(0x0a)
  try {
    const { bodyBytes, ...head } = headSchema.parse(JSON.parse(bytes.toString('utf8', 0, Math.max(0, end))))
    const body = bytes.subarray(end + 1)
    return body.length === bodyBytes ? { ...head, body } : undefined
  } catch {
    return undefined
  }
}
