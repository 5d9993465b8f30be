import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { createConnection } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { fakeEngine, form, gate, post, silentWav, startTestServer, transcription } from './server.fixture.js'

function getStatus(url: string, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    }).on('error', reject)
  })
}

/** A connection whose client never closes its side. */
async function openSocket(url: string) {
  const { hostname, port } = new URL(url)
  const socket = createConnection({ host: hostname, port: Number(port), allowHalfOpen: true })
  onTestFinished(() => void socket.destroy())
  let text = ''
  socket.on('error', () => {}).on('data', (piece) => (text += piece.toString()))
  const ended = new Promise<void>((resolve) => {
    socket.once('end', resolve).once('close', () => resolve())
  })
  await once(socket, 'connect')
  return { socket, ended, received: (part: string) => expect.poll(() => text).toContain(part) }
}

const postHead = (length: number) =>
  `POST /asr HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: ${length}\r\n\r\n`

describe('drain', () => {
  it('finishes what is in flight and closes connections that are kept alive', async () => {
    const started = gate()
    const { open, opened } = gate()
    const engine = fakeEngine({
      async transcribe() {
        started.open()
        await opened
        return transcription({ text: 'finished' })
      },
    })
    const { url, service, server } = await startTestServer(engine)
    const agent = new Agent({ keepAlive: true })
    expect(await getStatus(`${url}/health`, agent)).toBe(200)
    const running = post(`${url}/asr`, form({ audio: silentWav(1) }))
    await started.opened
    service.startDraining()
    const drained = server.drain()
    expect(service.health().status).toBe('draining')
    await expect(getStatus(`${url}/health`, new Agent())).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    open()
    expect((await running).json.text).toBe('finished')
    await drained
    agent.destroy()
  })

  it('does not wait for a client that never says anything, nor for one that keeps its end open', async () => {
    const { url, server } = await startTestServer()
    const silent = await openSocket(url)
    const idle = await openSocket(url)
    idle.socket.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n')
    await idle.received('"healthy"')
    await server.drain()
    await Promise.all([silent.ended, idle.ended])
  })

  it('takes the rest of a request that has begun, also of its head', async () => {
    const { url, server } = await startTestServer()
    const head = await openSocket(url)
    head.socket.write('GET /health HT')
    const body = await openSocket(url)
    const upload = Buffer.concat([
      Buffer.from('--b\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'),
      silentWav(5),
      Buffer.from('\r\n--b--\r\n'),
    ])
    body.socket.write(postHead(upload.length))
    await once(server.http, 'request')
    // Their bytes came before those of this one.
    const { status } = await fetch(`${url}/health`, { headers: { connection: 'close' } })
    expect(status).toBe(200)
    const drained = server.drain()
    head.socket.write('TP/1.1\r\nHost: x\r\n\r\n')
    await head.received('HTTP/1.1 200')
    body.socket.write(upload)
    await body.received('5 samples')
    await drained
  })

  it('gives up a body that has not come within the time for a request', async () => {
    const { url, service, server } = await startTestServer()
    const { socket, ended } = await openSocket(url)
    socket.write(postHead(1_000))
    await once(server.http, 'request')
    server.http.requestTimeout = 1
    await server.drain()
    await ended
    await expect.poll(() => service.slots.inFlight).toBe(0)
  })

  it('refuses new work on a connection that is still open', async () => {
    const { url, service } = await startTestServer()
    service.startDraining()
    const { status, headers, json } = await post(`${url}/asr`, form({ audio: silentWav(1) }))
    expect([status, json.code, headers.get('retry-after')]).toEqual([503, 'draining', '1'])
    expect(headers.get('connection')).toBe('close')
    expect((await fetch(`${url}/health`)).status).toBe(503)
  })
})
