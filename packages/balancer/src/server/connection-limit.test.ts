import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startCluster } from '../fixtures/cluster.js'
import { sourceOf } from './connection-limit.js'

describe('sourceOf', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::6', '2001:db8:1:2'],
    ['2001:db8::6', '2001:db8:0:0'],
    ['1::2:3:4:5:6:7', '1:0:2:3'],
    ['::1', '0:0:0:0'],
  ])('of %s is %s', (address, source) => {
    expect(sourceOf(address)).toBe(source)
  })
})

it('resets the connections of one address beyond the limit, until one ends', async () => {
  const { port, url } = await startCluster([undefined], { config: { maxConnectionsPerAddress: 3 } })
  const open = async (): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    socket.on('error', () => undefined)
    await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))
    return socket
  }
  const ask = async (socket: Socket): Promise<string> => {
    if (socket.destroyed) return 'closed'
    socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')
    return new Promise((resolve) => {
      socket.once('data', (chunk: Buffer) => resolve(chunk.toString().slice(0, 12)))
      socket.once('close', () => resolve('closed'))
    })
  }
  const held = await Promise.all([open(), open(), open()])
  for (const socket of held) expect(await ask(socket)).toBe('HTTP/1.1 200')
  expect(await ask(await open())).toBe('closed')
  const closed = once(held[0] as Socket, 'close')
  held[0]?.end()
  await closed
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
})
