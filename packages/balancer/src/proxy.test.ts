import { createHash } from 'node:crypto'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { request as undiciRequest } from 'undici'
import { describe, expect, it } from 'vitest'
import { startCluster, waitFor, type TestCluster } from './fixtures/cluster.js'
import { makeGate } from './fixtures/gate.js'
import { exchange, parseAnswers } from './fixtures/raw-http.js'
import { json, type Answerer } from './fixtures/upstream.js'

async function send(cluster: TestCluster, path: string, options: Parameters<typeof undiciRequest>[1] = {}) {
  const answer = await undiciRequest(`${cluster.url}${path}`, { method: 'POST', ...options })
  const text = await answer.body.text()
  return { status: answer.statusCode, headers: answer.headers, text }
}

const hash = (data: Buffer): string => createHash('sha256').update(data).digest('hex')
const echoHash: Answerer = (_, response, body) => json(response, 200, { sha256: hash(body) })

async function metricsOf(cluster: TestCluster): Promise<string> {
  return (await send(cluster, '/metrics', { method: 'GET' })).text
}

describe('proxy', () => {
  it('keeps the ratio of the weights', async () => {
    const cluster = await startCluster([undefined, undefined], { member: { slots: 4 } })
    cluster.balancer.setMembers(
      cluster.members.map((member, index) => ({ ...member, weight: index === 0 ? 3 : 1 })),
    )
    const seen: string[] = []
    for (let count = 0; count < 8; count += 1)
      seen.push((await send(cluster, '/asr', { body: 'x' })).headers['x-asr-instance'] as string)
    expect(seen.join('')).toBe('aabaaaba')
  })

  it.each([0, 1, 70_000, 1_048_576, 1_048_577, 5_000_000])(
    'passes a body of %i bytes, known length or chunked',
    async (size) => {
      const cluster = await startCluster([echoHash])
      const body = Buffer.alloc(size, 'some audio ')
      const expected = JSON.stringify({ sha256: hash(body) })
      expect((await send(cluster, '/asr', { body })).text).toBe(expected)
      expect((await send(cluster, '/asr', { body: Readable.from([body]) })).text).toBe(expected)
      expect(cluster.upstreams[0]?.received.map(({ headers }) => headers['content-length'])).toEqual([
        String(size),
        String(size),
      ])
    },
  )

  it('keeps the body of a GET from the instance, and reads it away', async () => {
    const cluster = await startCluster([undefined])
    const get = 'GET /health HTTP/1.1\r\nHost: x\r\n'
    const sized = Buffer.concat([Buffer.from(`${get}Content-Length: 300000\r\n\r\n`), Buffer.alloc(300_000)])
    const chunked = `${get}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`
    const expecting = `${get}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n`
    for (const bytes of [sized, chunked, expecting]) {
      const answers = parseAnswers(await exchange(cluster.port, [bytes]))
      expect(answers).toMatchObject([{ status: 200, body: '{"text":"a"}', headers: { connection: 'close' } }])
    }
    for (const { body, headers } of cluster.upstreams[0]?.received ?? []) {
      expect(body).toHaveLength(0)
      expect(headers).not.toHaveProperty('content-length')
      expect(headers).not.toHaveProperty('transfer-encoding')
    }
    expect(cluster.upstreams[0]?.received).toHaveLength(3)
  })

  it('passes path, query and method on, and answers with request id and instance', async () => {
    const cluster = await startCluster([undefined])
    const answer = await send(cluster, '/v1/audio/transcriptions?x=%2F', {
      body: 'x',
      headers: { 'x-request-id': 'mine' },
    })
    expect(cluster.upstreams[0]?.received[0]?.path).toBe('/v1/audio/transcriptions?x=%2F')
    expect(answer.headers).toMatchObject({ 'x-request-id': 'mine', 'x-asr-instance': 'a' })
  })

  it('refuses a declared length over the limit before it reads a byte, so that the client sees why', async () => {
    const cluster = await startCluster([undefined], { config: { maxBodySize: '1KB' } })
    const socket = connect(cluster.port, '127.0.0.1')
    socket.write('POST /asr HTTP/1.1\r\nHost: x\r\nContent-Length: 101000000\r\n\r\n')
    // Goes on sending as simple clients do; a reset here would lose the answer.
    const filler = setInterval(() => socket.write(Buffer.alloc(65_536)), 1)
    let text = ''
    for await (const chunk of socket) text += String(chunk)
    clearInterval(filler)
    expect(text).toMatch(/^HTTP\/1.1 413 /)
    expect(text).toContain('"code":"file_too_large"')
    expect(text.toLowerCase()).toContain('connection: close')
    expect(cluster.upstreams[0]?.received).toHaveLength(0)
  })

  it('refuses a chunked body in the middle', async () => {
    const cluster = await startCluster([undefined], { config: { maxBodySize: '100KB' } })
    const body = Readable.from(Array.from({ length: 30 }, () => Buffer.alloc(10_000)))
    const answer = await send(cluster, '/v1/audio/transcriptions', { body })
    expect(answer.status).toBe(413)
    expect(JSON.parse(answer.text)).toMatchObject({
      error: { code: 'file_too_large', type: 'invalid_request_error' },
    })
    expect(cluster.upstreams[0]?.received).toHaveLength(0)
  })

  it('ends the work of a client that goes away, and frees its slot', async () => {
    const arrived = makeGate()
    const ended = makeGate()
    const cluster = await startCluster([
      (request) => {
        request.socket.on('close', () => ended.open())
        arrived.open()
      },
    ])
    const client = httpRequest(`${cluster.url}/asr`, { method: 'POST' })
    client.on('error', () => undefined)
    client.end('x')
    await arrived.opened
    client.destroy()
    await ended.opened
    await waitFor(() => cluster.balancer.stats().inFlight === 0)
  })

  it('lets a client leave the queue', async () => {
    const cluster = await startCluster([() => undefined])
    const clients = [1, 2].map(() => {
      const client = httpRequest(`${cluster.url}/asr`, { method: 'POST' })
      client.on('error', () => undefined)
      client.end('x')
      return client
    })
    await waitFor(() => cluster.balancer.stats().queueDepth === 1)
    for (const client of clients) client.destroy()
    await waitFor(() => cluster.balancer.stats().queueDepth === 0 && cluster.balancer.stats().inFlight === 0)
    expect(cluster.upstreams[0]?.received).toHaveLength(1)
  })

  it('gives no instance to a client whose upload is slow', async () => {
    const cluster = await startCluster([undefined])
    const slow = connect(cluster.port, '127.0.0.1')
    slow.write('POST /asr HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc')
    await new Promise<void>((resolve) => slow.once('ready', resolve))
    expect((await send(cluster, '/asr', { body: 'x' })).status).toBe(200)
    expect(cluster.balancer.stats().inFlight).toBe(0)
    slow.destroy()
  })

  it('answers 408 to an upload that takes too long', async () => {
    const cluster = await startCluster([undefined], { config: { timeouts: { body: '40ms' } } })
    const socket = connect(cluster.port, '127.0.0.1')
    socket.write('POST /asr HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc')
    const [chunk] = (await new Promise<Buffer[]>((resolve) =>
      socket.once('data', (data) => resolve([data])),
    )) as [Buffer]
    expect(String(chunk)).toMatch(/^HTTP\/1.1 408 /)
    socket.destroy()
  })

  it('answers 429 with Retry-After when the queue is full', async () => {
    const cluster = await startCluster([() => undefined], { config: { queue: { max: 1 } } })
    const aborter = new AbortController()
    const waiting = [1, 2].map(() =>
      send(cluster, '/asr', { body: 'x', signal: aborter.signal }).catch(() => 'aborted'),
    )
    await waitFor(() => cluster.balancer.stats().queueDepth === 1)
    const refused = await send(cluster, '/asr', { body: 'x' })
    expect(refused.status).toBe(429)
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect(JSON.parse(refused.text)).toMatchObject({ code: 'queue_full', status: 'error' })
    aborter.abort()
    await Promise.all(waiting)
  })

  it('answers 503 queue_timeout, and 503 no_instance_ready when there is none', async () => {
    const cluster = await startCluster([() => undefined], { config: { queue: { timeout: '30ms' } } })
    const aborter = new AbortController()
    const holding = send(cluster, '/asr', { body: 'x', signal: aborter.signal }).catch(() => 'aborted')
    await waitFor(() => cluster.balancer.stats().inFlight === 1)
    expect(JSON.parse((await send(cluster, '/asr', { body: 'x' })).text)).toMatchObject({
      code: 'queue_timeout',
    })
    aborter.abort()
    await holding
    cluster.balancer.setMembers([])
    const none = await send(cluster, '/asr', { body: 'x' })
    expect(none.status).toBe(503)
    expect(none.headers['retry-after']).toBe('5')
    expect(JSON.parse(none.text)).toMatchObject({ code: 'no_instance_ready' })
  })

  it('passes an event stream on as it comes', async () => {
    const go = makeGate()
    const cluster = await startCluster([
      async (_, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write('data: 1\n\n')
        await go.opened
        response.end('data: 2\n\n')
      },
    ])
    const answer = await undiciRequest(`${cluster.url}/v1/audio/transcriptions`, {
      method: 'POST',
      body: 'x',
    })
    const events: string[] = []
    for await (const chunk of answer.body) {
      events.push(String(chunk))
      go.open()
    }
    expect(events).toEqual(['data: 1\n\n', 'data: 2\n\n'])
  })

  it('passes a long answer on, to a client that reads slowly', async () => {
    const body = Buffer.alloc(8_000_000, 'abcdefg')
    const cluster = await startCluster([(_, response) => response.end(body)])
    const answer = await new Promise<IncomingMessage>((resolve) => {
      httpRequest(`${cluster.url}/asr`, { method: 'POST' }, resolve).end('x')
    })
    const chunks: Buffer[] = []
    for await (const chunk of answer) {
      chunks.push(chunk as Buffer)
      if (chunks.length % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    expect(Buffer.concat(chunks).equals(body)).toBe(true)
  })

  it('answers the probe of /health from each instance in turn, even when all slots are taken', async () => {
    const cluster = await startCluster([() => undefined, undefined])
    const [a] = cluster.upstreams as [(typeof cluster.upstreams)[0]]
    const aborter = new AbortController()
    const holding = send(cluster, '/asr', { body: 'x', signal: aborter.signal }).catch(() => 'aborted')
    await waitFor(() => a.received.length === 1)
    a.answer = (_, response) => json(response, 200, { status: 'healthy' })
    const seen = [
      await send(cluster, '/health', { method: 'GET' }),
      await send(cluster, '/health', { method: 'HEAD' }),
    ]
    expect(seen.map((answer) => [answer.status, answer.headers['x-asr-instance']])).toEqual([
      [200, 'a'],
      [200, 'b'],
    ])
    aborter.abort()
    await holding
  })

  it('does not touch requests in flight when members change', async () => {
    const go = makeGate()
    const cluster = await startCluster([
      async (_, response) => (await go.opened, json(response, 200, { text: 'done' })),
      undefined,
    ])
    const answer = send(cluster, '/asr', { body: 'x' })
    await waitFor(() => cluster.balancer.stats().inFlight === 1)
    cluster.balancer.setMembers(cluster.members.slice(1))
    expect(cluster.balancer.stats().members.map((member) => member.id)).toEqual(['b'])
    go.open()
    expect((await answer).text).toBe('{"text":"done"}')
    await waitFor(() => cluster.balancer.stats().inFlight === 0)
  })

  it('gives a draining member nothing new and tells when it is idle', async () => {
    const go = makeGate()
    let told = 0
    const cluster = await startCluster(
      [async (_, response) => (await go.opened, json(response, 200, {})), undefined],
      {
        deps: { onUrgentStats: () => (told += 1) },
      },
    )
    const answer = send(cluster, '/asr', { body: 'x' })
    await waitFor(() => cluster.balancer.stats().inFlight === 1)
    cluster.balancer.setMembers(cluster.members.map((member) => ({ ...member, draining: member.id === 'a' })))
    for (let count = 0; count < 3; count += 1) {
      expect((await send(cluster, '/asr', { body: 'x' })).headers['x-asr-instance']).toBe('b')
    }
    expect(cluster.balancer.stats().members[0]).toMatchObject({ state: 'draining', inFlight: 1 })
    const before = told
    go.open()
    await answer
    await waitFor(() => told > before)
    expect(cluster.balancer.stats().members[0]).toMatchObject({ state: 'draining', inFlight: 0 })
  })
})

describe('own routes', () => {
  it('lists the models of all members', async () => {
    const cluster = await startCluster([undefined, undefined], {
      member: { models: ['qwen3-asr', 'whisper-1'] },
    })
    const list = JSON.parse((await send(cluster, '/v1/models', { method: 'GET' })).text) as {
      object: string
      data: object[]
    }
    expect(list.object).toBe('list')
    expect(list.data).toEqual([
      expect.objectContaining({ id: 'qwen3-asr', object: 'model' }),
      expect.objectContaining({ id: 'whisper-1', object: 'model' }),
    ])
  })

  it('is ready while an instance is, and not from the moment a drain begins', async () => {
    const go = makeGate()
    const cluster = await startCluster([
      async (_, response) => (await go.opened, json(response, 200, { text: 'late' })),
    ])
    expect((await send(cluster, '/readyz', { method: 'GET' })).status).toBe(200)
    const answer = send(cluster, '/asr', { body: 'x' })
    await waitFor(() => cluster.balancer.stats().inFlight === 1)
    const queued = send(cluster, '/asr', { body: 'queued' })
    await waitFor(() => cluster.balancer.stats().queueDepth === 1)
    let drained = false
    const drain = cluster.balancer.drain().then(() => (drained = true))
    expect((await send(cluster, '/readyz', { method: 'GET' })).status).toBe(503)
    expect((await send(cluster, '/healthz', { method: 'GET' })).status).toBe(200)
    expect(JSON.parse((await send(cluster, '/asr', { body: 'x' })).text)).toMatchObject({ code: 'draining' })
    expect(drained).toBe(false)
    go.open()
    expect([(await answer).text, (await queued).text]).toEqual(['{"text":"late"}', '{"text":"late"}'])
    await drain
  })

  it('is not ready without an instance', async () => {
    const cluster = await startCluster([])
    expect((await send(cluster, '/readyz', { method: 'GET' })).status).toBe(503)
  })

  it('tells unknown paths and wrong methods apart', async () => {
    const cluster = await startCluster([undefined])
    const missing = await send(cluster, '/nope', { body: 'x' })
    expect([missing.status, JSON.parse(missing.text)]).toEqual([
      404,
      expect.objectContaining({ code: 'not_found' }),
    ])
    const wrong = await send(cluster, '/asr', { method: 'GET' })
    expect([wrong.status, wrong.headers.allow, JSON.parse(wrong.text)]).toEqual([
      405,
      'POST, OPTIONS',
      expect.objectContaining({ code: 'method_not_allowed' }),
    ])
    expect((await send(cluster, '/asr', { method: 'OPTIONS' })).status).toBe(204)
    expect(wrong.headers['x-request-id']).toBeDefined()
  })

  it('measures the work of each instance, and not its probes', async () => {
    const cluster = await startCluster([undefined])
    await send(cluster, '/asr', { body: 'x' })
    await send(cluster, '/health', { method: 'GET' })
    const text = await metricsOf(cluster)
    expect(text).toContain('asr_instance_request_duration_seconds_count{instance="a"} 1')
    expect(text).toMatch(/asr_instance_request_duration_seconds_bucket\{le="\+Inf",instance="a"\} 1/)
    expect(text).toContain('asr_instance_requests_total{instance="a",code="200"} 2')
  })

  it('merges the metrics of a native member and of the supervisor, and skips a dead one', async () => {
    const cluster = await startCluster([undefined, undefined])
    const series = (name: string) => [
      { name, help: 'h', type: 'gauge', values: [{ value: 1, labels: { instance: 'a' } }] },
    ]
    const [a, b] = cluster.upstreams as [(typeof cluster.upstreams)[0], (typeof cluster.upstreams)[0]]
    a.answer = (_, response) => json(response, 200, series('asr_from_instance'))
    b.answer = (request) => request.socket.destroy()
    cluster.balancer.setSupervisorMetrics(series('asr_from_supervisor'))
    await send(cluster, '/nope?secret', { body: 'x' })
    const text = await metricsOf(cluster)
    expect(text).toContain('asr_from_instance{instance="a"} 1')
    expect(text).toContain('asr_from_supervisor{instance="a"} 1')
    expect(text).toContain('asr_requests_total{route="other",code="404"} 1')
    expect(text).toContain('asr_instance_up{instance="b"} 1')
    expect(text).not.toContain('secret')
  })
})
