import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { balancerConfigSchema } from '@asr-cluster/protocol'
import { reachableHost } from './balancer-program.js'
import { toBalancerInput } from './balancer-input.js'
import { adoptListeningSocket, bindListeningSocket, PortTakenError } from './listening-socket.js'
import type { ListeningSocket } from './listening-socket.js'

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

describe('a socket that was handed to us', () => {
  const configured = { host: '127.0.0.1', port: 7860 }

  it('is taken only by the program that it is for, and the variables are gone', () => {
    const env = { LISTEN_FDS: '1', LISTEN_PID: String(process.pid + 1), LISTEN_FDNAMES: 'a', PATH: '/bin' }
    expect(adoptListeningSocket(env, configured)).toBeNull()
    expect(env).toEqual({ PATH: '/bin' })
    expect(adoptListeningSocket({}, configured)).toBeNull()
  })

  it('is one, because there is one port', () => {
    const env = { LISTEN_FDS: '2', LISTEN_PID: String(process.pid) }
    expect(() => adoptListeningSocket(env, configured)).toThrow('2 sockets were handed to us')
  })

  it('must be on the configured port, and not be open to others where that was not said', async () => {
    const [own, open] = ['127.0.0.1', '0.0.0.0'].map((host) => bindListeningSocket(host, 0))
    const taken = { port: own?.port, isInherited: true }
    expect(await adoptInChild(own, '127.0.0.1', 0)).toEqual(taken)
    expect(await adoptInChild(own, '127.0.0.1', own?.port ?? 0)).toEqual(taken)
    expect(await adoptInChild(own, '127.0.0.1', 1)).toContain(`on port ${own?.port}, and balancer.port is 1`)
    expect(await adoptInChild(open, '127.0.0.1', 0)).toContain('which other machines can reach')
    expect(await adoptInChild(open, '0.0.0.0', 0)).toEqual({ port: open?.port, isInherited: true })
    own?.close()
    open?.close()
  })
})

/** What a program that was handed the socket makes of it: the socket, or the message of the error. */
async function adoptInChild(
  socket: ListeningSocket | undefined,
  host: string,
  port: number,
): Promise<unknown> {
  const source = fileURLToPath(new URL('../../dist/balancer/listening-socket.js', import.meta.url))
  const script = `
    const { adoptListeningSocket } = await import(${JSON.stringify(source)})
    const env = { LISTEN_FDS: '1', LISTEN_PID: String(process.pid) }
    let said
    try {
      const { port, isInherited } = adoptListeningSocket(env, ${JSON.stringify({ host, port })})
      said = { port, isInherited }
    } catch ({ message }) {
      said = message
    }
    console.log(JSON.stringify(said))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit', socket?.fd],
    timeout: 15_000,
  })
  let text = ''
  child.stdout?.on('data', (chunk: Buffer) => void (text += chunk.toString()))
  await once(child, 'close')
  return JSON.parse(text)
}

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
