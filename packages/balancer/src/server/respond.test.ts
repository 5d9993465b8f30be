import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest'
import { reply } from './respond.js'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

/** A client that has been refused, and has not sent all of its body yet. */
async function refusedUpload() {
  let read = 0
  const http = createServer((request, response) => {
    reply(request, response, { status: 413, body: 'too large' })
    request.on('data', (piece: Buffer) => (read += piece.length))
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const connected = once(http, 'connection') as Promise<[Socket]>
  const client = connect({
    port: (http.address() as AddressInfo).port,
    host: '127.0.0.1',
    allowHalfOpen: true,
  })
  onTestFinished(() => {
    client.destroy()
    http.close()
  })
  const [socket] = await connected
  const closed = once(socket, 'close')
  let received = ''
  client.on('error', () => {}).on('data', (piece) => (received += piece.toString()))
  client.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n')
  await vi.waitFor(() => expect(received).toContain('too large'))
  await vi.waitFor(() => expect(vi.getTimerCount()).toBe(2))
  const send = async () => {
    const before = read
    client.write('a')
    await vi.waitFor(() => expect(read).toBe(before + 1))
  }
  return { closed, send }
}

it.each([
  { what: 'for ten seconds after its last piece', pieces: 2, lastMs: 10_000 },
  { what: 'for thirty seconds at most', pieces: 4, lastMs: 6_000 },
])('reads the rest of a refused body on $what', async ({ pieces, lastMs }) => {
  const { closed, send } = await refusedUpload()
  for (let piece = 0; piece < pieces; piece++) {
    vi.advanceTimersByTime(6_000)
    await send()
  }
  vi.advanceTimersByTime(lastMs)
  await closed
  expect(vi.getTimerCount()).toBe(0)
})
