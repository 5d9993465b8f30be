import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { hashApiKey, type Member } from '@asr-cluster/protocol'
import { request, WebSocket } from 'undici'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { Backend } from '../backend/backend.js'
import { startCluster, waitFor, type ClusterOptions, type TestCluster } from '../fixtures/cluster.js'
import { upgradeRequest } from '../fixtures/raw-http.js'
import { json, type Answerer } from '../fixtures/upstream.js'
import { acceptWebSockets, textFrame } from '../fixtures/websocket-upstream.js'

/** A cluster whose instances echo text with their name; `sockets` are their ends of the WebSockets, by instance. */
async function startEcho(count: number, options: ClusterOptions = {}) {
  const cluster = await startCluster(Array.from({ length: count }), options)
  const sockets = cluster.upstreams.map((upstream) => {
    const open: Socket[] = []
    acceptWebSockets(upstream, (socket, onText) => {
      open.push(socket)
      onText((text) => socket.write(textFrame(`${upstream.name}: ${text}`)))
    })
    return open
  })
  return { cluster, sockets: sockets as [Socket[], Socket[]] }
}

interface Client {
  socket: WebSocket
  messages: string[]
  closed: Promise<{ code: number; reason: string }>
}

function open(
  cluster: TestCluster,
  { query = '?intent=transcription', key }: { query?: string; key?: string } = {},
): Promise<Client> {
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` }
  const socket = new WebSocket(`ws://127.0.0.1:${cluster.port}/v1/realtime${query}`, { headers })
  const messages: string[] = []
  socket.addEventListener('message', (event) => messages.push(String(event.data)))
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.addEventListener('close', ({ code, reason }) => resolve({ code, reason }))
  })
  return new Promise((resolve, reject) => {
    socket.addEventListener('open', () => resolve({ socket, messages, closed }))
    socket.addEventListener('error', () => reject(new Error('the WebSocket did not open')))
  })
}

/** What a raw upgrade is answered until the connection ends. */
async function upgradeOver(cluster: TestCluster): Promise<string> {
  const socket = connect(cluster.port, '127.0.0.1')
  socket.write(upgradeRequest)
  return text(socket)
}

/** A short text frame as a client sends it; the mask is of zeros. */
function maskedText(content: string): Buffer {
  return Buffer.concat([Buffer.of(0x81, 0x80 | content.length, 0, 0, 0, 0), Buffer.from(content)])
}

const slotsTaken = (cluster: TestCluster): number[] =>
  cluster.balancer.stats().members.map((member) => member.inFlight)

describe('WebSocket', () => {
  it('passes frames both ways, holds a slot, and gives it back', async () => {
    const { cluster } = await startEcho(1, { member: { slots: 2 } })
    const client = await open(cluster)
    expect(slotsTaken(cluster)).toEqual([1])
    client.socket.send('hello')
    await waitFor(() => client.messages.length === 1)
    expect(client.messages).toEqual(['a: hello'])
    const [seen] = cluster.upstreams[0]?.received ?? []
    expect(seen?.path).toBe('/v1/realtime?intent=transcription')
    expect(seen?.headers).toMatchObject({ 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http' })
    client.socket.close()
    await waitFor(() => slotsTaken(cluster)[0] === 0)
  })

  it('spreads over instances like other requests, and waits for a slot', async () => {
    const { cluster } = await startEcho(2)
    const first = await open(cluster)
    await open(cluster)
    expect(slotsTaken(cluster)).toEqual([1, 1])
    const third = open(cluster)
    await waitFor(() => cluster.balancer.stats().queueDepth === 1)
    first.socket.close()
    const client = await third
    client.socket.send('x')
    await waitFor(() => client.messages.length === 1)
    expect(client.messages).toEqual(['a: x'])
  })

  it('is closed with 1012 when the balancer drains, after the frame that is on its way', async () => {
    const { cluster, sockets } = await startEcho(1)
    const client = await open(cluster)
    const [instance] = sockets[0] as [Socket]
    const frame = textFrame('x'.repeat(1_000))
    instance.write(Buffer.concat([textFrame('first'), frame.subarray(0, 500)]))
    await waitFor(() => client.messages.length === 1)
    const drained = cluster.balancer.drain()
    instance.write(Buffer.concat([frame.subarray(500), textFrame('too late')]))
    expect(await client.closed).toEqual({ code: 1012, reason: 'restart' })
    expect(client.messages).toEqual(['first', 'x'.repeat(1_000)])
    await drained
    expect(slotsTaken(cluster)).toEqual([0])
  })

  it('is closed with 1012 when its instance drains, and no other', async () => {
    const { cluster } = await startEcho(2)
    const [first, second] = [await open(cluster), await open(cluster)]
    cluster.balancer.setMembers(cluster.members.map((member) => ({ ...member, draining: member.id === 'a' })))
    expect((await first.closed).code).toBe(1012)
    second.socket.send('still here')
    await waitFor(() => second.messages.length === 1)
    expect(slotsTaken(cluster)).toEqual([0, 1])
  })

  it('is closed with 1008 when its key is revoked, and no other', async () => {
    const keys = ['first-key', 'second-key']
    const { cluster } = await startEcho(2, { deps: { apiKeyHashes: keys.map(hashApiKey) } })
    const [first, second] = [
      await open(cluster, { key: 'first-key' }),
      await open(cluster, { key: 'second-key' }),
    ]
    cluster.balancer.setApiKeys([hashApiKey('second-key')])
    expect(await first.closed).toEqual({ code: 1008, reason: 'the API key was revoked' })
    second.socket.send('still here')
    await waitFor(() => second.messages.length === 1)
    await waitFor(() => slotsTaken(cluster)[0] === 0)
  })

  it('is closed with 1011 when its instance dies', async () => {
    const { cluster, sockets } = await startEcho(1)
    const client = await open(cluster)
    sockets[0][0]?.resetAndDestroy()
    expect(await client.closed).toEqual({ code: 1011, reason: 'the instance broke off' })
    await waitFor(() => slotsTaken(cluster)[0] === 0)
  })

  it('ends the work of the instance when the client vanishes', async () => {
    const { cluster, sockets } = await startEcho(1)
    const client = await open(cluster)
    const [instance] = sockets[0] as [Socket]
    const ended = new Promise((resolve) => instance.once('close', resolve))
    client.socket.close()
    await ended
    await waitFor(() => slotsTaken(cluster)[0] === 0)
  })

  it('opens on another instance when one refuses', async () => {
    const { cluster } = await startEcho(2, { config: { health: { interval: '60s' } } })
    await cluster.upstreams[0]?.close()
    const client = await open(cluster)
    client.socket.send('x')
    await waitFor(() => client.messages.length === 1)
    expect(client.messages).toEqual(['b: x'])
    expect(cluster.balancer.stats().members[0]?.state).toBe('ejected')
  })

  it.each(['opens', 'declines'])('goes elsewhere when a stranger %s it', async (what) => {
    const { cluster } = await startEcho(2, { config: { health: { interval: '60s' } } })
    const [a, b] = cluster.members as [Member, Member]
    const [taken] = cluster.upstreams as [(typeof cluster.upstreams)[0]]
    // Without a listener the upgrade is an ordinary request, and gets an ordinary answer.
    if (what === 'declines') taken.server.removeAllListeners('upgrade')
    taken.health = (_, response) =>
      json(response, 200, { status: 'healthy', timestamp: '', instance: 'a', identity: 'i' })
    cluster.balancer.setMembers([{ ...a, weight: 100, identity: 'i', marks: true }, b])
    await waitFor(() => cluster.balancer.stats().members.every(({ state }) => state === 'up'))
    const client = await open(cluster)
    client.socket.send('x')
    await waitFor(() => client.messages.length === 1)
    expect(client.messages).toEqual(['b: x'])
    expect(taken.received).toHaveLength(1)
    expect(slotsTaken(cluster)).toEqual([0, 1])
  })

  it('gives the slot back and answers when the request to the instance cannot be made', async () => {
    const { cluster } = await startEcho(1)
    const headers = vi.spyOn(Backend.prototype, 'callerHeaders', 'get').mockReturnValue(['no header', 'x'])
    onTestFinished(() => headers.mockRestore())
    const answer = await upgradeOver(cluster)
    expect(answer).toMatch(/^HTTP\/1\.1 500 /)
    expect(answer).toContain('"internal"')
    expect(slotsTaken(cluster)).toEqual([0])
    expect(cluster.upstreams[0]?.received).toEqual([])
  })

  it('passes on the refusal of an instance that has no WebSockets', async () => {
    const cluster = await startCluster([
      (_, response) => response.writeHead(501, { 'content-length': 2 }).end('no'),
    ])
    await expect(open(cluster)).rejects.toThrow('did not open')
    await waitFor(() => slotsTaken(cluster)[0] === 0)
    expect(cluster.upstreams[0]?.received).toHaveLength(1)
  })

  it.each([
    [429, 'slots_full'],
    [503, 'draining'],
    [429, 'queue_full'],
    [503, 'no_instance_ready'],
  ])('goes elsewhere when its instance says %i %s', async (status, code) => {
    const { cluster } = await startEcho(2, { config: { health: { interval: '60s' } } })
    const [full] = cluster.upstreams as [(typeof cluster.upstreams)[0]]
    full.server.removeAllListeners('upgrade')
    full.answer = (_, response) => json(response, status, { error: { message: 'no', code } })
    const client = await open(cluster)
    client.socket.send('x')
    await waitFor(() => client.messages.length === 1)
    expect(client.messages).toEqual(['b: x'])
    expect(full.received).toHaveLength(1)
    expect(slotsTaken(cluster)).toEqual([0, 1])
    const metrics = await (await request(`${cluster.url}/metrics`)).body.text()
    expect(metrics).toContain(`asr_retries_total{reason="${code}"} 1\n`)
    expect(metrics).toContain('asr_queue_wait_seconds_count 2\n')
    const wasRemoved = metrics.includes('asr_ejections_total{instance="a",reason="draining"} 1\n')
    expect(wasRemoved).toBe(code === 'draining')
  })

  it('waits where the only instance is full, for no longer than the queue lets it', async () => {
    const cluster = await startCluster(
      [(_, response) => json(response, 429, { error: { message: 'no', code: 'slots_full' } })],
      { config: { queue: { timeout: '200ms' } } },
    )
    const answer = await upgradeOver(cluster)
    expect(answer).toMatch(/^HTTP\/1\.1 503 /)
    expect(answer).toContain('"queue_timeout"')
    expect(cluster.upstreams[0]?.received.length).toBeGreaterThan(1)
    expect(slotsTaken(cluster)).toEqual([0])
  })

  it('gets what the last one says when all refuse, and asks each once', async () => {
    const refuse: Answerer = (_, response) => json(response, 429, { error: { code: 'queue_full' } })
    const cluster = await startCluster([refuse, refuse])
    const answer = await upgradeOver(cluster)
    expect(answer).toMatch(/^HTTP\/1\.1 429 /)
    expect(answer).toContain('{"error":{"code":"queue_full"}}')
    expect(cluster.upstreams.map(({ received }) => received.length)).toEqual([1, 1])
    await waitFor(() => slotsTaken(cluster).every((count) => count === 0))
  })

  it('passes on what is only like such an answer', async () => {
    const cluster = await startCluster([(_, response) => json(response, 429, { error: { code: 'other' } })])
    const answer = await upgradeOver(cluster)
    expect(answer).toMatch(/^HTTP\/1\.1 429 /)
    expect(answer).toContain('{"error":{"code":"other"}}')
    expect(cluster.upstreams[0]?.received).toHaveLength(1)
    await waitFor(() => slotsTaken(cluster)[0] === 0)
  })

  it('leaves the queue with a client that goes away, also without a word', async () => {
    const { cluster } = await startEcho(1)
    await open(cluster)
    for (const leave of ['end', 'resetAndDestroy'] as const) {
      const waiting = connect(cluster.port, '127.0.0.1')
      waiting.on('error', () => undefined)
      waiting.write(upgradeRequest)
      await waitFor(() => cluster.balancer.stats().queueDepth === 1)
      waiting[leave]()
      await waitFor(() => cluster.balancer.stats().queueDepth === 0)
    }
  })

  it('keeps what a client sends before its turn', async () => {
    const { cluster, sockets } = await startEcho(1)
    const first = await open(cluster)
    const waiting = connect(cluster.port, '127.0.0.1')
    onTestFinished(() => void waiting.destroy())
    waiting.write(upgradeRequest)
    await waitFor(() => cluster.balancer.stats().queueDepth === 1)
    waiting.write(maskedText('early'))
    first.socket.close()
    let received = ''
    waiting.on('data', (chunk) => (received += chunk.toString('latin1')))
    await waitFor(() => received.includes('a: early'))
    expect(sockets[0]).toHaveLength(2)
  })

  it('gives its slot back when an instance breaks off in the middle of its refusal', async () => {
    const cluster = await startCluster([
      (_, response) => {
        response.writeHead(400, { 'content-length': 100 })
        response.write('part', () => response.destroy())
      },
    ])
    const answer = await upgradeOver(cluster)
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    await waitFor(() => slotsTaken(cluster)[0] === 0)
  })

  it('says what is wrong with an ordinary request', async () => {
    const { cluster } = await startEcho(1)
    const answer = await request(`${cluster.url}/v1/realtime`)
    expect(answer.statusCode).toBe(400)
    expect(await answer.body.json()).toMatchObject({ error: { code: 'invalid_request' } })
  })
})
