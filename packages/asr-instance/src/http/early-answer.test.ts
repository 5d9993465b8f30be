import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { discardBody } from './early-answer.js'

const bodyBytes = 1000

/** A client that has its answer, and has sent the head and a part of its request. */
async function answeredEarly() {
  const http = createServer((req, res) => {
    res.end('answer')
    discardBody(req)
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const client = connect((http.address() as AddressInfo).port, '127.0.0.1')
  onTestFinished(() => {
    client.destroy()
    http.close()
  })
  let received = ''
  client.on('error', () => {}).on('data', (piece) => (received += piece.toString()))
  const closed = once(client, 'close')
  client.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${bodyBytes}\r\n\r\nbegin`)
  await expect.poll(() => received).toContain('answer')
  return { client, closed, answers: () => received.split('answer').length - 1 }
}

describe('discardBody', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => void vi.useRealTimers())

  it('closes the connection of a client that sends on long after its answer', async () => {
    const { closed } = await answeredEarly()
    expect(vi.getTimerCount()).toBe(1)
    vi.advanceTimersByTime(5_000)
    await closed
    expect(vi.getTimerCount()).toBe(0)
  })

  it('keeps a connection whose body ends in time', async () => {
    const { client, answers } = await answeredEarly()
    client.write(Buffer.alloc(bodyBytes - 'begin'.length))
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await vi.waitFor(() => expect(answers()).toBe(2))
    expect(vi.getTimerCount()).toBe(0)
  })
})
