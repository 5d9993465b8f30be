import { connect, createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { balancerConfigSchema } from '@asr-cluster/protocol'
import { reachableHost } from './balancer-program.js'
import { toBalancerInput } from './balancer-input.js'
import { bindListeningSocket, PortTakenError } from './listening-socket.js'

const servers: Server[] = []
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))))
})

function listen(options: object): Promise<Server> {
  const server = createServer((socket) => socket.end('hello'))
  servers.push(server)
  return new Promise((resolve) => server.listen(options, () => resolve(server)))
}

function read(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(port, '127.0.0.1')
    socket.on('data', (data) => void (text += data.toString()))
    socket.once('close', () => resolve(text))
    socket.once('error', reject)
  })
}

describe('the listening socket', () => {
  it('serves whoever listens on its descriptor', async () => {
    const socket = bindListeningSocket('127.0.0.1', 0)
    await listen({ fd: socket.fd })
    expect(await read(socket.port)).toBe('hello')
  })

  it('names who holds a port that is taken', async () => {
    const server = await listen({ host: '127.0.0.1', port: 0 })
    const { port } = server.address() as AddressInfo
    expect(() => bindListeningSocket('127.0.0.1', port)).toThrow(PortTakenError)
    expect(() => bindListeningSocket('127.0.0.1', port)).toThrow(`port ${port} is held by`)
    expect(() => bindListeningSocket('127.0.0.1', port)).toThrow(`pid ${process.pid}`)
  })

  it('says so when the address is not of this machine', () => {
    expect(() => bindListeningSocket('203.0.113.1', 0)).toThrow('is the address one of this machine?')
  })
})

describe('the configuration of the balancer', () => {
  it('is handed on in a form that it reads back the same', () => {
    const config = balancerConfigSchema.parse({ maxBodySize: '1.5MB', retry: { budget: '12.5%' } })
    expect(balancerConfigSchema.parse(toBalancerInput(config))).toEqual(config)
  })

  it('is reached where it listens', () => {
    expect(['127.0.0.1', '0.0.0.0', '::', '::1'].map(reachableHost)).toEqual([
      '127.0.0.1',
      '127.0.0.1',
      '[::1]',
      '[::1]',
    ])
  })
})
