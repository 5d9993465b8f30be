import { once } from 'node:events'
import { connect as connectPlain } from 'node:net'
import { text } from 'node:stream/consumers'
import { connect } from 'node:tls'
import { readCertificate, type BalancerConfigInput, type CertificatePair } from '@asr-cluster/protocol'
import { Agent, request, WebSocket } from 'undici'
import { describe, expect, it, onTestFinished } from 'vitest'
import { certificateFolder, makeCertificate } from '../fixtures/certificate.js'
import { startCluster, waitFor, type TestCluster } from '../fixtures/cluster.js'
import { makeGate } from '../fixtures/gate.js'
import { json, type Answerer } from '../fixtures/upstream.js'
import { acceptWebSockets, textFrame } from '../fixtures/websocket-upstream.js'

interface Secured {
  cluster: TestCluster
  url: string
  certificate: CertificatePair
  /** The other pair. */
  next: CertificatePair
}

async function startSecured(
  answers: (Answerer | undefined)[],
  config: BalancerConfigInput = {},
): Promise<Secured> {
  const dir = certificateFolder()
  const [certificate, next] = ['first', 'second'].map((name) =>
    readCertificate(makeCertificate(dir, name)),
  ) as [CertificatePair, CertificatePair]
  const cluster = await startCluster(answers, { deps: { certificate }, config, member: { slots: 64 } })
  return { cluster, url: `https://localhost:${cluster.port}`, certificate, next }
}

function trusting(pairs: CertificatePair[], options: Agent.Options = {}): Agent {
  const agent = new Agent({
    ...options,
    connect: { ca: pairs.map(({ cert }) => cert), host: '127.0.0.1' } as never,
  })
  onTestFinished(() => agent.destroy())
  return agent
}

async function subjectOf(port: number, ...pairs: CertificatePair[]): Promise<string | undefined> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    ca: pairs.map(({ cert }) => cert),
  })
  await once(socket, 'secureConnect')
  const subject = socket.getPeerX509Certificate()?.subject
  socket.destroy()
  return subject
}

describe('TLS', () => {
  it('serves HTTP/1.1, tells the instance that it was HTTPS, and offers no other protocol', async () => {
    const { cluster, url, certificate } = await startSecured([undefined])
    const dispatcher = trusting([certificate])
    const answer = await request(`${url}/asr`, { method: 'POST', body: 'x'.repeat(300_000), dispatcher })
    expect([answer.statusCode, await answer.body.json()]).toEqual([200, { text: 'a' }])
    const [seen] = cluster.upstreams[0]?.received ?? []
    expect(seen?.body).toHaveLength(300_000)
    expect(seen?.headers).toMatchObject({ 'x-forwarded-proto': 'https', 'x-forwarded-for': '127.0.0.1' })
    const ALPNProtocols = ['h2', 'http/1.1']
    const socket = connect({
      port: cluster.port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ALPNProtocols,
    })
    await once(socket, 'secureConnect')
    expect(socket.alpnProtocol).toBe('http/1.1')
    socket.destroy()
  })

  it('answers what is no HTTP over TLS, and only closes what is no TLS', async () => {
    const { cluster, certificate, url } = await startSecured([undefined])
    const socket = connect({
      port: cluster.port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: certificate.cert,
    })
    socket.end('nonsense\r\n\r\n')
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 400 /)
    const plain = connectPlain(cluster.port, '127.0.0.1')
    plain.on('error', () => undefined)
    plain.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n')
    await once(plain, 'close')
    const answer = await request(`${url}/healthz`, { dispatcher: trusting([certificate]) })
    expect(answer.statusCode).toBe(200)
    await answer.body.dump()
  })

  it('refuses a large body with an answer that the client gets to read', async () => {
    const { url, certificate } = await startSecured([undefined], { maxBodySize: '1KB' })
    const body = 'x'.repeat(5_000)
    const answer = await request(`${url}/asr`, { method: 'POST', body, dispatcher: trusting([certificate]) })
    expect([answer.statusCode, await answer.body.json()]).toMatchObject([413, { code: 'file_too_large' }])
  })

  it('passes WebSockets both ways', async () => {
    const { cluster, certificate } = await startSecured([undefined])
    acceptWebSockets(cluster.upstreams[0] as never, (socket, onText) =>
      onText((said) => socket.write(textFrame(`a: ${said}`))),
    )
    const address = `wss://localhost:${cluster.port}/v1/realtime?intent=transcription`
    const socket = new WebSocket(address, { dispatcher: trusting([certificate]) })
    const heard: string[] = []
    socket.addEventListener('message', ({ data }) => heard.push(String(data)))
    await new Promise((resolve) => socket.addEventListener('open', resolve))
    socket.send('hello')
    await waitFor(() => heard.length === 1)
    expect(heard).toEqual(['a: hello'])
    expect(cluster.upstreams[0]?.received[0]?.headers['x-forwarded-proto']).toBe('https')
    socket.close()
    await waitFor(() => cluster.balancer.stats().inFlight === 0)
  })

  it('takes a new certificate for new connections, and loses nothing of those that are open', async () => {
    const go = makeGate()
    let held = 0
    const { cluster, url, certificate, next } = await startSecured([
      async (incoming, response) => {
        if (incoming.url === '/asr') {
          held += 1
          await go.opened
        }
        json(response, 200, {})
      },
    ])
    const dispatcher = trusting([certificate, next])
    const send = async (path: string): Promise<number> => {
      const answer = await request(`${url}${path}`, { method: 'POST', body: 'x'.repeat(20_000), dispatcher })
      await answer.body.dump()
      return answer.statusCode
    }
    const open = [send('/asr'), send('/asr')]
    await waitFor(() => held === 2)
    let isOver = false
    const statuses: number[] = []
    const load = Array.from({ length: 8 }, async () => {
      while (!isOver) statuses.push(await send('/v1/audio/transcriptions'))
    })
    expect(await subjectOf(cluster.port, certificate)).toBe('CN=first')
    for (const pair of [next, certificate, next]) {
      const before = statuses.length
      cluster.balancer.setCertificate(pair)
      await waitFor(() => statuses.length > before + 20)
    }
    expect(await subjectOf(cluster.port, next)).toBe('CN=second')
    const metrics = await request(`${url}/metrics`, { dispatcher })
    expect(await metrics.body.text()).toContain(
      `asr_certificate_expiry_timestamp_seconds ${next.expiresAtSeconds}\n`,
    )
    expect(next.expiresAtSeconds * 1_000 - Date.now()).toBeGreaterThan(86_400_000)
    isOver = true
    await Promise.all(load)
    go.open()
    expect(await Promise.all(open)).toEqual([200, 200])
    expect(statuses.filter((status) => status !== 200)).toEqual([])
  })

  it('hands over: the connections that are open are answered once more', async () => {
    const { cluster, url, certificate } = await startSecured([undefined])
    const dispatcher = trusting([certificate], { connections: 1 })
    const send = async (): Promise<unknown[]> => {
      const answer = await request(`${url}/asr`, { method: 'POST', body: 'x', dispatcher })
      await answer.body.dump()
      return [answer.statusCode, answer.headers['connection']]
    }
    expect(await send()).toEqual([200, 'keep-alive'])
    const over = cluster.balancer.handOver()
    expect(await send()).toEqual([200, 'close'])
    await over
  })
})
