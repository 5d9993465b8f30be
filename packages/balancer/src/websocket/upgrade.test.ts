import { connect, type Socket } from 'node:net'
import { hashApiKey, type Member } from '@asr-cluster/protocol'
import { request } from 'undici'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startCluster, waitFor, type TestCluster } from '../fixtures/cluster.js'
import { upgradeRequest } from '../fixtures/raw-http.js'
import type { Answerer, Upstream } from '../fixtures/upstream.js'
import { acceptWebSockets } from '../fixtures/websocket-upstream.js'

const never: Answerer = () => undefined
const accepted = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'
const post = 'POST /asr HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx'

/** What the balancer sends on a connection of its own. */
function say(cluster: TestCluster, text: string, headers = '') {
  const socket = connect(cluster.port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  const seen = { text: '', closed: false, socket }
  socket.on('error', () => undefined)
  socket.on('data', (chunk) => (seen.text += chunk.toString('latin1')))
  socket.on('close', () => (seen.closed = true))
  socket.write(text.replace(/host: x/i, (host) => `${host}${headers}`))
  return seen
}

/** Its instances accept each WebSocket and say nothing on it. */
async function startSilent(count: number, options: Parameters<typeof startCluster>[1] = {}) {
  const cluster = await startCluster(Array.from({ length: count }), options)
  for (const upstream of cluster.upstreams) acceptWebSockets(upstream, () => undefined)
  return { cluster, upstreams: cluster.upstreams as [Upstream, Upstream] }
}

/** Makes the only slot of each instance taken by a request that is never answered. */
async function fill(cluster: TestCluster, headers?: string): Promise<void> {
  const before = cluster.balancer.stats().inFlight
  for (const upstream of cluster.upstreams) upstream.answer = never
  for (const _ of cluster.upstreams) say(cluster, post, headers)
  await waitFor(() => cluster.balancer.stats().inFlight === before + cluster.upstreams.length)
}

/** Reacts to upgrades in its own way, as a bare socket. */
function onUpgrade(upstream: Upstream, react: (socket: Socket) => void): void {
  upstream.server.removeAllListeners('upgrade')
  upstream.server.on('upgrade', (_, stream) => {
    stream.on('error', () => undefined)
    react(stream as Socket)
  })
}

describe('a WebSocket that waits in the queue', () => {
  it.each(['drain', 'handOver'] as const)('is refused at once on %s', async (end) => {
    const { cluster } = await startSilent(1)
    await fill(cluster)
    const waiting = say(cluster, upgradeRequest)
    await waitFor(() => cluster.balancer.stats().queueDepth === 1)
    void cluster.balancer[end]()
    await waitFor(() => waiting.closed)
    expect(waiting.text).toMatch(/^HTTP\/1\.1 503 [^]*"draining"/)
    expect(cluster.balancer.stats().queueDepth).toBe(0)
  })

  it('is refused at once when its key is revoked, and no other', async () => {
    const keys = ['key-number-1', 'key-number-2'] as const
    const { cluster } = await startSilent(1, { deps: { apiKeyHashes: keys.map(hashApiKey) } })
    const bearer = keys.map((key) => `\r\nauthorization: Bearer ${key}`)
    await fill(cluster, bearer[1])
    const [revoked, other] = bearer.map((header) => say(cluster, upgradeRequest, header))
    await waitFor(() => cluster.balancer.stats().queueDepth === 2)
    cluster.balancer.setApiKeys([hashApiKey(keys[1])])
    await waitFor(() => revoked?.closed === true)
    expect(revoked?.text).toMatch(/^HTTP\/1\.1 401 [^]*revoked/)
    expect(other?.text).toBe('')
    expect(cluster.balancer.stats().queueDepth).toBe(1)
  })
})

describe('a WebSocket that is being opened', () => {
  it('is closed with 1012 when its instance begins to drain meanwhile', async () => {
    const { cluster, upstreams } = await startSilent(1)
    let instance: Socket | undefined
    onUpgrade(upstreams[0], (socket) => (instance = socket))
    const client = say(cluster, upgradeRequest)
    await waitFor(() => instance !== undefined)
    cluster.balancer.setMembers([{ ...(cluster.members[0] as Member), draining: true }])
    instance?.write(accepted)
    await waitFor(() => client.closed)
    expect(client.text).toContain('restart')
    expect(cluster.balancer.stats().inFlight).toBe(0)
  })

  it('has the time of an answer, not that of a connection', async () => {
    const { cluster, upstreams } = await startSilent(1, {
      config: { timeouts: { connect: '100ms', response: '400ms' } },
    })
    let asked = 0
    onUpgrade(upstreams[0], (socket) => {
      asked += 1
      setTimeout(() => socket.write(accepted), 200)
    })
    const client = say(cluster, upgradeRequest)
    await waitFor(() => client.text.includes(' 101 '))
    expect(asked).toBe(1)
    client.socket.destroy()
    onUpgrade(upstreams[0], () => undefined)
    const late = say(cluster, upgradeRequest)
    await waitFor(() => late.closed)
    expect(late.text).toMatch(/^HTTP\/1\.1 504 [^]*"upstream_timeout"/)
  })

  it('has more time than a timer of Node can wait, where that is configured', async () => {
    const { cluster, upstreams } = await startSilent(1, { config: { timeouts: { response: '600h' } } })
    onUpgrade(upstreams[0], (socket) => setTimeout(() => socket.write(accepted), 100))
    const client = say(cluster, upgradeRequest)
    await waitFor(() => client.text !== '')
    expect(client.text).toContain(' 101 ')
  })

  it('removes an instance that breaks it off, as any request does', async () => {
    const { cluster, upstreams } = await startSilent(2, { config: { health: { interval: '60s' } } })
    upstreams[0].health = never
    onUpgrade(upstreams[0], (socket) => socket.resetAndDestroy())
    const client = say(cluster, upgradeRequest)
    await waitFor(() => client.text.includes(' 101 '))
    expect(cluster.balancer.stats().members[0]?.state).toBe('ejected')
    const metrics = await (await request(`${cluster.url}/metrics`)).body.text()
    expect(metrics).toContain('asr_retries_total{reason="broke"} 1\n')
  })

  it('comes back to an instance that failed and is up again while the others are full', async () => {
    const { cluster, upstreams } = await startSilent(2, { config: { health: { interval: '50ms' } } })
    const [a, b] = upstreams
    b.answer = never
    const [memberA, memberB] = cluster.members as [Member, Member]
    cluster.balancer.setMembers([{ ...memberA, weight: 0 }, memberB])
    say(cluster, post)
    await waitFor(() => b.received.length === 1)
    cluster.balancer.setMembers([memberA, memberB])
    await a.close()
    const client = say(cluster, upgradeRequest)
    await waitFor(() => cluster.balancer.stats().members[0]?.state === 'ejected')
    await a.listen(a.port)
    await waitFor(() => client.text.includes(' 101 '))
  })
})

describe('a WebSocket of low priority', () => {
  const low = '\r\nx-asr-priority: low'

  it('gives its slot to a request that waits', async () => {
    const { cluster } = await startSilent(1)
    const client = say(cluster, upgradeRequest, low)
    await waitFor(() => client.text.includes(' 101 '))
    const answer = await request(`${cluster.url}/asr`, { method: 'POST', body: 'x' })
    expect(answer.statusCode).toBe(200)
    await waitFor(() => client.closed)
    expect(client.text).toContain('other requests need the slot')
  })

  it('does not wait for a slot', async () => {
    const { cluster } = await startSilent(1)
    await fill(cluster)
    const client = say(cluster, upgradeRequest, low)
    await waitFor(() => client.closed)
    expect(client.text).toMatch(/^HTTP\/1\.1 503 [^]*"yielded"/)
    const metrics = await (await request(`${cluster.url}/metrics`)).body.text()
    expect(metrics).toContain('asr_requests_total{route="low-priority",code="503"} 1\n')
  })
})

it('keeps headers that are there twice, and knows the key in the first', async () => {
  const { cluster, upstreams } = await startSilent(1, { deps: { apiKeyHashes: [hashApiKey('some-key-1')] } })
  const protocols = ['openai-insecure-api-key.some-key-1', 'realtime']
  const lines = [...protocols.map((name) => `sec-websocket-protocol: ${name}`), 'cookie: a=1', 'cookie: b=2']
  const client = say(cluster, upgradeRequest, lines.map((line) => `\r\n${line}`).join(''))
  await waitFor(() => client.text.includes(' 101 '))
  expect(upstreams[0].received[0]?.headers).toMatchObject({
    'sec-websocket-protocol': protocols.join(', '),
    cookie: 'a=1; b=2',
  })
  cluster.balancer.setApiKeys([hashApiKey('some-key-1')])
  expect(client.text).not.toContain('revoked')
})
