import { connect } from 'node:net'
import { hashApiKey } from '@asr-cluster/protocol'
import { Agent, request } from 'undici'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startCluster, waitFor, type TestCluster } from './fixtures/cluster.js'
import { makeGate } from './fixtures/gate.js'
import { upgradeRequest } from './fixtures/raw-http.js'
import { json, type Upstream } from './fixtures/upstream.js'
import { acceptWebSockets } from './fixtures/websocket-upstream.js'
import { closeFrame } from './websocket/frame-tracker.js'

interface Client {
  send(key?: string): Promise<{ status: number; connection: unknown }>
  /** Whether its connection is open. */
  isConnected(): boolean
}

/** A client with one connection, which it keeps as long as the server lets it. */
function makeClient(cluster: TestCluster): Client {
  const agent = new Agent({ connections: 1, pipelining: 1 })
  let open = 0
  agent.on('connect', () => (open += 1))
  agent.on('disconnect', () => (open -= 1))
  onTestFinished(() => agent.destroy())
  return {
    async send(key) {
      const answer = await request(`${cluster.url}/asr`, {
        method: 'POST',
        body: 'x',
        dispatcher: agent,
        ...(key === undefined ? {} : { headers: { authorization: `Bearer ${key}` } }),
      })
      await answer.body.dump()
      return { status: answer.statusCode, connection: answer.headers['connection'] }
    },
    isConnected: () => open > 0,
  }
}

/** The hand-over has begun, and new connections are somebody else's. */
async function refusesConnections(cluster: TestCluster): Promise<void> {
  const answer = request(`${cluster.url}/healthz`, { dispatcher: new Agent() })
  await expect(answer).rejects.toMatchObject({ code: 'ECONNREFUSED' })
}

describe('a balancer that has handed over', () => {
  it('answers once more on each connection that was idle, and is done when there is none', async () => {
    const cluster = await startCluster([undefined])
    const clients = [makeClient(cluster), makeClient(cluster)]
    for (const client of clients) {
      expect(await client.send()).toEqual({ status: 200, connection: 'keep-alive' })
    }
    let done = false
    const over = cluster.balancer.handOver().then(() => (done = true))
    await refusesConnections(cluster)
    for (const client of clients) {
      expect(done).toBe(false)
      expect(await client.send()).toEqual({ status: 200, connection: 'close' })
    }
    await over
  })

  it('finishes what it has, and closes idle connections only when it is told to end', async () => {
    const go = makeGate()
    const cluster = await startCluster([
      async (_, response) => {
        if (cluster.upstreams[0]?.received.length === 2) await go.opened
        json(response, 200, {})
      },
    ])
    const [idle, busy] = [makeClient(cluster), makeClient(cluster)]
    await idle.send()
    const answer = busy.send()
    await waitFor(() => cluster.balancer.stats().inFlight === 1)
    let done = false
    const over = cluster.balancer.handOver().then(() => (done = true))
    await refusesConnections(cluster)
    expect(idle.isConnected()).toBe(true)
    const drained = cluster.balancer.drain()
    await waitFor(() => !idle.isConnected())
    expect(done).toBe(false)
    go.open()
    expect(await answer).toEqual({ status: 200, connection: 'close' })
    await Promise.all([over, drained])
  })

  it('opens a WebSocket on a connection of before, and closes it with 1012 when it ends', async () => {
    const cluster = await startCluster([undefined])
    acceptWebSockets(cluster.upstreams[0] as Upstream, () => undefined)
    const client = connect(cluster.port, '127.0.0.1')
    onTestFinished(() => void client.destroy())
    let received = Buffer.alloc(0)
    client.on('data', (chunk: Buffer) => (received = Buffer.concat([received, chunk])))
    client.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n')
    await waitFor(() => received.includes('{"status":"ok"}'))
    received = Buffer.alloc(0)
    const over = cluster.balancer.handOver()
    await refusesConnections(cluster)
    client.write(upgradeRequest)
    await waitFor(() => received.includes('\r\n\r\n'))
    expect(received.toString()).toMatch(/^HTTP\/1\.1 101 /)
    await waitFor(() => cluster.balancer.stats().inFlight === 1)
    const drained = cluster.balancer.drain()
    await waitFor(() => received.includes(closeFrame(1012, 'restart')))
    client.end()
    await Promise.all([over, drained])
  })

  it('lets in the keys of now on the connections of before', async () => {
    const cluster = await startCluster([undefined], { deps: { apiKeyHashes: [hashApiKey('former-key')] } })
    const [former, present] = [makeClient(cluster), makeClient(cluster)]
    for (const client of [former, present]) expect((await client.send('former-key')).status).toBe(200)
    void cluster.balancer.handOver()
    cluster.balancer.setApiKeys([hashApiKey('present-key')])
    expect(await former.send('former-key')).toEqual({ status: 401, connection: 'close' })
    expect(await present.send('present-key')).toEqual({ status: 200, connection: 'close' })
  })
})
