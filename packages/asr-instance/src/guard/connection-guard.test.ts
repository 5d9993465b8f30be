import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { callerHeader, callerProof } from '@asr-cluster/protocol'
import { describe, expect, it, onTestFinished } from 'vitest'
import { gate, startTestServer } from '../http/server.fixture.js'
import { ConnectionGuard } from './connection-guard.js'
import type { OwnerLookup } from './owner-lookup.js'

const identity = 'secret-of-this-life'
const proof = `${callerHeader}: ${callerProof(identity)}\r\n`
const own = 1_000
const other = 1_001

async function startGuarded(ownerOf: OwnerLookup) {
  const refused: (number | undefined)[] = []
  const onRefused = (uid: number | undefined): void => void refused.push(uid)
  const guard = new ConnectionGuard({ identity, allowUsers: [0, own], ownerOf, onRefused })
  const { url, server } = await startTestServer(undefined, {}, guard)
  return { port: Number(new URL(url).port), refused, server }
}

interface Client {
  socket: Socket
  /** All that came back, once the connection is closed, and how it was closed. */
  ended: Promise<{ text: string; code: string }>
}

function open(port: number): Client {
  const socket = connect(port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  let text = ''
  let code = 'FIN'
  socket.on('data', (chunk) => void (text += chunk.toString()))
  socket.on('error', (error: NodeJS.ErrnoException) => void (code = error.code ?? ''))
  // `once` would reject at the error.
  const closed = new Promise((resolve) => socket.once('close', resolve))
  return { socket, ended: closed.then(() => ({ text, code })) }
}

function ask(port: number, head: string) {
  const { socket, ended } = open(port)
  socket.write(`${head}\r\n`)
  return ended
}

const get = 'GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n'
const upgrade =
  'GET /v1/realtime HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
const reset = { text: '', code: 'ECONNRESET' }

describe('the guard of an instance', () => {
  it('lets users in who may ask', async () => {
    const { port, refused } = await startGuarded(async () => own)
    expect((await ask(port, get)).text).toMatch(/^HTTP\/1\.1 200 /)
    expect((await ask(port, 'nonsense\r\n')).text).toMatch(/^HTTP\/1\.1 400 /)
    const withBody = upgrade.replace('websocket', 'other') + 'Content-Length: 10\r\n'
    expect((await ask(port, withBody)).text).toMatch(/^HTTP\/1\.1 400 /)
    expect(refused).toEqual([])
  })

  it.each([
    ['a request', get],
    ['an upload', 'POST /asr HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n'],
    ['a request before whose body it waits', 'POST /asr HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n'],
    ['an unknown expectation', 'POST /asr HTTP/1.1\r\nHost: x\r\nExpect: other\r\n'],
    ['a WebSocket', upgrade],
    ['a WebSocket with a body', `${upgrade}Content-Length: 10\r\n`],
    ['a wrong proof', `${get}${callerHeader}: ${callerProof('another life')}\r\n`],
    ['nonsense', 'nonsense\r\n'],
    ['CONNECT', 'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n'],
    ['no host', 'GET / HTTP/1.1\r\n'],
  ])('answers another user not a byte to %s', async (_, head) => {
    const { port } = await startGuarded(async () => other)
    expect((await ask(port, head)).text).toBe('')
  })

  it('resets them, as well as those who are not found, and tells of each user once', async () => {
    let uid: number | undefined = other
    const { port, refused } = await startGuarded(async () => uid)
    for (uid of [other, other, undefined, undefined]) expect(await ask(port, get)).toEqual(reset)
    expect(refused).toEqual([other, undefined])
  })

  it('asks nobody about those who prove to know the identity, nor about their later requests', async () => {
    const { port } = await startGuarded(() => Promise.reject(new Error('must not be asked')))
    const { socket, ended } = open(port)
    socket.write(`GET /health HTTP/1.1\r\nHost: x\r\n${proof}\r\n`)
    await once(socket, 'data')
    socket.write(`${get}\r\n`)
    expect((await ended).text.match(/HTTP\/1\.1 200 /g)).toHaveLength(2)
    const realtime = open(port)
    realtime.socket.write(`${upgrade}${proof}\r\n`)
    expect(String(await once(realtime.socket, 'data'))).toContain('HTTP/1.1 101 ')
    realtime.socket.destroy()
  })

  it('asks once for each connection, and nothing is answered before it is known whose it is', async () => {
    const asked = gate()
    const known = gate<number>()
    let looks = 0
    const { port } = await startGuarded(() => {
      looks += 1
      asked.open()
      return known.opened
    })
    const { socket, ended } = open(port)
    socket.write(
      `GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n${get}\r\n`,
    )
    await asked.opened
    expect(socket.bytesRead).toBe(0)
    known.open(own)
    expect((await ended).text.match(/HTTP\/1\.1 200 /g)).toHaveLength(3)
    expect(looks).toBe(1)
  })

  it('survives that a client leaves while it is looked up', async () => {
    const asked = gate()
    const known = gate<number>()
    const { port, server } = await startGuarded(() => {
      asked.open()
      return known.opened
    })
    const closed = new Promise((resolve) =>
      server.http.once('connection', (each: Socket) => each.once('close', resolve)),
    )
    const { socket } = open(port)
    socket.write('POST /asr HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf')
    await asked.opened
    socket.resetAndDestroy()
    await closed
    known.open(own)
    expect((await ask(port, get)).text).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('lets nobody fill it with connections that say nothing, and keeps those of its own users', async () => {
    const ownPorts = new Set<number | undefined>()
    const { port } = await startGuarded(async ({ local }) => (ownPorts.has(local.port) ? own : other))
    const first = open(port)
    await once(first.socket, 'connect')
    ownPorts.add(first.socket.localPort)
    const silent = Array.from({ length: 64 }, () => open(port))
    for (const { ended } of silent) expect(await ended).toEqual(reset)
    first.socket.write(`${get}\r\n`)
    expect((await first.ended).text).toMatch(/^HTTP\/1\.1 200 /)
  })
})
