import type { Server } from 'node:http'
import { createConnection } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { identityHeader, identityMark } from '@asr-cluster/protocol'
import {
  ask,
  fakeEngine,
  form,
  gate,
  post,
  sendRaw,
  silentWav,
  startTestServer,
} from '../http/server.fixture.js'
import { SlotPool } from '../http/slot-pool.js'

/** A connection whose client never closes its side; `answered` is all that came before the server closed its own. */
function openHalf(url: string) {
  const { hostname, port } = new URL(url)
  const socket = createConnection({ host: hostname, port: Number(port), allowHalfOpen: true })
  onTestFinished(() => void socket.destroy())
  let text = ''
  socket.on('error', () => {})
  const answered = new Promise<string>((resolve) => {
    socket.on('data', (piece) => (text += piece.toString())).once('end', () => resolve(text))
  })
  return { socket, answered }
}

function openConnections(http: Server): Promise<number> {
  return new Promise((resolve) => http.getConnections((_error, count) => resolve(count)))
}

function connect(url: string, path = '/v1/realtime?intent=transcription', protocols: string[] = []) {
  const socket = new WebSocket(url.replace('http', 'ws') + path, protocols)
  onTestFinished(() => socket.terminate())
  const messages: { type: string; [field: string]: unknown }[] = []
  const waiting: { type: string; resolve: (event: object) => void }[] = []
  socket.on('message', (data) => {
    const event = JSON.parse((data as Buffer).toString())
    messages.push(event)
    const at = waiting.findIndex(({ type }) => type === event.type)
    if (at >= 0) waiting.splice(at, 1)[0]?.resolve(event)
  })
  const refused = new Promise<number>((resolve) => {
    socket.on('unexpected-response', (_req, res) => resolve(res.statusCode ?? 0))
  })
  const headers = new Promise<Record<string, unknown>>((resolve) => {
    socket.on('upgrade', (res) => resolve(res.headers))
  })
  socket.on('error', () => {})
  return {
    socket,
    refused,
    headers,
    next: (type: string) => {
      const seen = messages.find((event) => event.type === type)
      return seen ?? new Promise<object>((resolve) => waiting.push({ type, resolve }))
    },
    closed: new Promise<number>((resolve) => socket.on('close', resolve)),
    send: (event: object) => socket.send(JSON.stringify(event)),
  }
}

const manual = {
  type: 'session.update',
  session: { audio: { input: { format: { type: 'audio/pcm', rate: 16_000 }, turn_detection: null } } },
}
const append = { type: 'input_audio_buffer.append', audio: Buffer.alloc(16_000).toString('base64') }

describe('WS /v1/realtime', () => {
  it('transcribes', async () => {
    const { url } = await startTestServer()
    const { next, send, headers } = connect(url)
    expect(await headers).toMatchObject({ 'x-asr-instance': 'test-0', 'x-request-id': expect.any(String) })
    await next('session.created')
    send(manual)
    send(append)
    send({ type: 'input_audio_buffer.commit' })
    expect(await next('conversation.item.input_audio_transcription.completed')).toMatchObject({
      transcript: '8000 samples',
    })
  })

  it('agrees on the protocol of browsers, and on the beta where it is asked for', async () => {
    const { url } = await startTestServer()
    const browser = connect(url, undefined, [
      'realtime',
      'openai-insecure-api-key.x',
      'openai-beta.realtime-v1',
    ])
    await browser.next('transcription_session.created')
    expect(browser.socket.protocol).toBe('realtime')
  })

  it.each([
    ['/v1/realtime?intent=conversation', 400],
    ['/v1/realtime?model=gpt-5', 404],
    ['/elsewhere', 404],
  ])('refuses %s with %i', async (path, status) => {
    const { url, service } = await startTestServer()
    expect(await connect(url, path).refused).toBe(status)
    expect(service.slots.inFlight).toBe(0)
  })

  it('refuses while the model is loaded, in the envelope of OpenAI', async () => {
    const { url } = await startTestServer(null)
    const answer = await sendRaw(
      url,
      'GET /v1/realtime HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    )
    expect(answer).toMatch(/^HTTP\/1\.1 503 /)
    expect(answer).toContain('retry-after: 2')
    expect(answer).toContain('"error":{"message":')
  })

  it('marks what it is asked wrongly, and what it opens', async () => {
    const { url } = await startTestServer()
    const mark = `${identityHeader}: ${identityMark('secret-of-this-life')}`
    for (const [key, version, status] of [
      ['dGhlIHNhbXBsZSBub25jZQ==', 13, 101],
      ['short', 13, 400],
      ['dGhlIHNhbXBsZSBub25jZQ==', 7, 400],
    ]) {
      const head = `GET /v1/realtime HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: ${version}\r\n\r\n`
      const answer = await sendRaw(url, head)
      expect(answer).toContain(`HTTP/1.1 ${status} `)
      expect(answer).toContain(mark)
    }
  })

  it('tells plain HTTP clients what it is', async () => {
    const { url } = await startTestServer()
    expect(await ask(`${url}/v1/realtime`)).toMatchObject({
      status: 400,
      json: { error: { code: 'invalid_request' } },
    })
  })

  it('holds a slot for as long as it lasts', async () => {
    const { url, service } = await startTestServer(fakeEngine({ slots: 1 }))
    const first = connect(url)
    await first.next('session.created')
    expect((await post(`${url}/asr`, form({ audio: silentWav(1) }))).status).toBe(429)
    expect(await connect(url).refused).toBe(429)
    first.socket.close()
    await expect.poll(() => service.slots.inFlight).toBe(0)
    expect((await post(`${url}/asr`, form({ audio: silentWav(1) }))).status).toBe(200)
  })

  it('keeps neither slot nor connection of a handshake that it refuses, whatever the client does', async () => {
    const { url, service, server } = await startTestServer(fakeEngine({ slots: 1 }))
    const head =
      'GET /v1/realtime HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n'
    // Half open: it never closes its side.
    const { socket, answered } = openHalf(url)
    socket.write(head)
    expect(await answered).toMatch(/^HTTP\/1\.1 400 [^]*"error":\{"message":[^]*\}\}\s*$/)
    expect(service.slots.inFlight).toBe(0)
    await expect.poll(() => openConnections(server.http)).toBe(0)
  })

  it('reads no more of a client than five minutes of undecided sound, and loses nothing', async () => {
    const heard = [gate(), gate()]
    const order: string[] = []
    let undecidedSeconds = 0
    let decide = () => {}
    const engine = fakeEngine({
      listen: ({ onDecided }) => ({
        undecidedSeconds: () => undecidedSeconds,
        push() {
          order.push('heard')
          undecidedSeconds = 301
          decide = () => onDecided('')
          heard[order.length === 1 ? 0 : 1]!.open()
        },
        finish: () => new Promise(() => {}),
        cancel() {},
      }),
    })
    const { url } = await startTestServer(engine)
    const { next, send } = connect(url)
    await next('session.created')
    send(manual)
    // Larger than what is read at once.
    const long = { ...append, audio: Buffer.alloc(1_000_000).toString('base64') }
    send(long)
    send(long)
    await heard[0]!.opened
    // Time enough to read it.
    for (let round = 0; round < 5; round++) await ask(`${url}/health`)
    order.push('decided')
    undecidedSeconds = 300
    decide()
    await heard[1]!.opened
    expect(order.slice(0, 3)).toEqual(['heard', 'decided', 'heard'])
  })

  it('refuses who waited for a slot when a drain began', async () => {
    const isWaiting = gate()
    const timer = { set: () => isWaiting.open(), clear() {} }
    const slots = new SlotPool({ graceMs: 1, timer })
    const { url, service, server } = await startTestServer(fakeEngine({ slots: 1 }), { slots })
    await connect(url).next('session.created')
    const second = connect(url)
    await isWaiting.opened
    service.startDraining()
    expect(await second.refused).toBe(503)
    await server.drain()
    expect(slots.inFlight).toBe(0)
  })

  it('closes on binary messages, which are no events', async () => {
    const { url } = await startTestServer()
    const { socket, next, closed } = connect(url)
    await next('session.created')
    socket.send(Buffer.alloc(10))
    expect(await closed).toBe(1003)
  })

  it('sends the last text before a draining process closes it', async () => {
    const { url, service, server } = await startTestServer()
    const { next, send, closed } = connect(url)
    await next('session.created')
    send(manual)
    await next('session.updated')
    send(append)
    send({ type: 'input_audio_buffer.nonsense' })
    await next('error')
    service.startDraining()
    const drained = server.drain()
    expect(await next('conversation.item.input_audio_transcription.completed')).toMatchObject({
      transcript: '8000 samples',
    })
    expect(await closed).toBe(1001)
    await drained
  })
})
