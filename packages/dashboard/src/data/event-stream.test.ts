import { expect, test } from 'vitest'
import { readEvents } from './event-stream.js'

const stream =
  ': hello\n\ndata: {"delta":"Grüße"}\n\nevent: x\r\ndata: {"a":\r\ndata: 1}\r\n\r\ndata: {"last":true}'

test.each([1, 2, 3, 7, 1_000])('reads events that arrive in chunks of %d bytes', async (size) => {
  const bytes = new TextEncoder().encode(stream)
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size))
  }
  const events: unknown[] = []
  for await (const event of readEvents(chunks())) events.push(event)
  expect(events).toEqual([{ delta: 'Grüße' }, { a: 1 }, { last: true }])
})
