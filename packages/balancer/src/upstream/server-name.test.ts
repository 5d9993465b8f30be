import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../clock.js'
import { certificateFolder, makeCertificate } from '../fixtures/certificate.js'
import { openTunnel } from '../websocket/open-tunnel.js'
import { Connections } from './connections.js'

/** A TLS server, and the names that were asked for. Nobody trusts its certificate. */
async function startUpstream(): Promise<{ port: number; names: string[] }> {
  const files = makeCertificate(certificateFolder(), 'upstream')
  const names: string[] = []
  const server = createTlsServer({
    cert: readFileSync(files.cert),
    key: readFileSync(files.key),
    SNICallback: (name, done) => {
      names.push(name)
      done(null)
    },
  })
  server.on('tlsClientError', () => undefined)
  server.listen(0)
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { port: (server.address() as AddressInfo).port, names }
}

it('is that of the upstream, whatever the client calls the balancer', async () => {
  const { port, names } = await startUpstream()
  const connections = new Connections(`https://localhost:${port}`, {
    connectTimeoutMs: 5_000,
    responseTimeoutMs: 5_000,
  })
  onTestFinished(() => connections.close())
  const headers = ['host', 'my-balancer.example']
  await new Promise<void>((resolve) => {
    connections.send(
      { method: 'GET', path: '/', headers, body: null },
      { onHead: () => {}, onData: () => {}, onEnd: resolve, onFailure: () => resolve() },
    )
  })
  expect(names).toEqual(['localhost'])
})

it('is that of the upstream for a WebSocket, too', async () => {
  const { port, names } = await startUpstream()
  const server = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  onTestFinished(() => void client.destroy())
  client.on('error', () => undefined)
  client.write(
    'GET / HTTP/1.1\r\nhost: my-balancer.example\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n',
  )
  const [request, socket, head] = (await once(server, 'upgrade')) as [IncomingMessage, Socket, Buffer]
  const opening = await openTunnel({
    request,
    socket,
    head,
    target: `https://localhost:${port}`,
    requestHeaders: [],
    responseHeaders: {},
    isStranger: () => false,
    isLast: () => false,
    clock: systemClock,
    connectTimeoutMs: 5_000,
    answerTimeoutMs: 5_000,
  })
  expect(opening.kind).toBe('failed')
  expect(names).toEqual(['localhost'])
})
