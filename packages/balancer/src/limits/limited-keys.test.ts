import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { formatApiKey, hashApiKey, type ApiKeyLimits } from '@asr-cluster/protocol'
import { request, WebSocket } from 'undici'
import { describe, expect, it } from 'vitest'
import { startCluster, waitFor, type TestCluster } from '../fixtures/cluster.js'
import { FakeClock } from '../fixtures/fake-clock.js'
import { makeGate } from '../fixtures/gate.js'
import { json } from '../fixtures/upstream.js'
import { acceptWebSockets } from '../fixtures/websocket-upstream.js'

const entry = (key: string, limits: ApiKeyLimits): string =>
  formatApiKey({ hash: hashApiKey(key), ...limits })

async function send(cluster: TestCluster, key: string, signal?: AbortSignal) {
  // Each on a connection of its own: the limit is the key's.
  const answer = await request(`${cluster.url}/v1/audio/transcriptions`, {
    method: 'POST',
    body: 'sound',
    headers: { authorization: `Bearer ${key}` },
    reset: true,
    ...(signal ? { signal } : {}),
  })
  const body = (await answer.body.json()) as { error?: { code: string } }
  return { status: answer.statusCode, code: body.error?.code, retryAfter: answer.headers['retry-after'] }
}

async function refusals(cluster: TestCluster): Promise<string[]> {
  const answer = await request(`${cluster.url}/metrics`, { headers: { authorization: 'Bearer free-key-1' } })
  return (await answer.body.text()).split('\n').filter((line) => line.startsWith('asr_key_refusals_total'))
}

describe('limits of API keys', () => {
  it('bound the rate of a key and of no other, and say when the next request may come', async () => {
    const clock = new FakeClock()
    const keys = [entry('slow-key-1', { requestsPerMinute: 2, name: 'batch' }), hashApiKey('free-key-1')]
    const cluster = await startCluster([undefined], { deps: { apiKeyHashes: keys, clock }, dontWait: true })
    while (cluster.balancer.stats().members[0]?.state !== 'up') await clock.advance(0)
    expect([(await send(cluster, 'slow-key-1')).status, (await send(cluster, 'slow-key-1')).status]).toEqual([
      200, 200,
    ])
    const refused = { status: 429, code: 'rate_limited', retryAfter: '30' }
    expect(await send(cluster, 'slow-key-1')).toEqual(refused)
    expect((await send(cluster, 'free-key-1')).status).toBe(200)
    // What costs no instance anything is not counted.
    const status = await request(`${cluster.url}/v1/models`, {
      headers: { authorization: 'Bearer slow-key-1' },
    })
    await status.body.dump()
    expect(status.statusCode).toBe(200)
    expect(await refusals(cluster)).toEqual(['asr_key_refusals_total{key="batch",reason="rate"} 1'])
    await clock.advance(30_000)
    expect((await send(cluster, 'slow-key-1')).status).toBe(200)
    expect(cluster.upstreams[0]?.received.filter(({ path }) => path.startsWith('/v1/audio'))).toHaveLength(4)
  })

  it('bound what a key has at once over all connections, before the body is read', async () => {
    const go = makeGate()
    const cluster = await startCluster(
      [
        async (_, response) => {
          await go.opened
          json(response, 200, {})
        },
      ],
      {
        deps: { apiKeyHashes: [entry('some-key-1', { concurrency: 2 }), hashApiKey('free-key-1')] },
        member: { slots: 8 },
      },
    )
    const running = [send(cluster, 'some-key-1'), send(cluster, 'some-key-1')]
    await waitFor(() => cluster.balancer.stats().inFlight === 2)
    const refused = { status: 429, code: 'concurrency_limited', retryAfter: '1' }
    expect(await send(cluster, 'some-key-1')).toEqual(refused)
    expect(await refusals(cluster)).toEqual(['asr_key_refusals_total{key="unnamed",reason="concurrency"} 1'])
    // The head alone is answered, without 100 Continue and with nothing of the body sent.
    const asking = httpRequest(`${cluster.url}/asr`, {
      method: 'POST',
      headers: { authorization: 'Bearer some-key-1', expect: '100-continue', 'content-length': 1_000_000 },
    })
    let continued = false
    asking.on('continue', () => (continued = true))
    asking.flushHeaders()
    const [answer] = (await once(asking, 'response')) as [{ statusCode: number }]
    expect([answer.statusCode, continued]).toEqual([429, false])
    asking.on('error', () => undefined)
    asking.destroy()
    go.open()
    expect((await Promise.all(running)).map(({ status }) => status)).toEqual([200, 200])
    expect((await send(cluster, 'some-key-1')).status).toBe(200)
  })

  it('have their places back after clients that went away, and after errors', async () => {
    let holds = true
    const cluster = await startCluster(
      [
        (_, response) => {
          if (!holds) json(response, 200, {})
        },
      ],
      {
        config: { maxBodySize: '1KB' },
        deps: { apiKeyHashes: [entry('some-key-1', { concurrency: 1 })] },
        member: { slots: 8 },
      },
    )
    for (let round = 0; round < 5; round += 1) {
      const gone = new AbortController()
      const aborted = send(cluster, 'some-key-1', gone.signal).catch((error: Error) => error.name)
      await waitFor(() => cluster.balancer.stats().inFlight === 1)
      gone.abort()
      expect(await aborted).toBe('AbortError')
      await waitFor(() => cluster.balancer.stats().inFlight === 0)
    }
    holds = false
    for (let round = 0; round < 20; round += 1) expect((await send(cluster, 'some-key-1')).status).toBe(200)
    for (let round = 0; round < 3; round += 1) {
      const body = 'x'.repeat(2_000)
      const headers = { authorization: 'Bearer some-key-1' }
      const tooLarge = await request(`${cluster.url}/asr`, { method: 'POST', body, headers, reset: true })
      expect(await tooLarge.body.json()).toMatchObject({ code: 'file_too_large' })
    }
    expect((await send(cluster, 'some-key-1')).status).toBe(200)
  })

  it('count for the next request once they are changed, and leave what is in flight alone', async () => {
    const go = makeGate()
    const cluster = await startCluster(
      [
        async (_, response) => {
          await go.opened
          json(response, 200, {})
        },
      ],
      { deps: { apiKeyHashes: [entry('some-key-1', { concurrency: 2 })] }, member: { slots: 8 } },
    )
    const running = [send(cluster, 'some-key-1'), send(cluster, 'some-key-1')]
    await waitFor(() => cluster.balancer.stats().inFlight === 2)
    cluster.balancer.setApiKeys([entry('some-key-1', { concurrency: 3 })])
    running.push(send(cluster, 'some-key-1'))
    await waitFor(() => cluster.balancer.stats().inFlight === 3)
    cluster.balancer.setApiKeys([entry('some-key-1', { concurrency: 1 })])
    expect((await send(cluster, 'some-key-1')).code).toBe('concurrency_limited')
    go.open()
    expect((await Promise.all(running)).map(({ status }) => status)).toEqual([200, 200, 200])
    expect((await send(cluster, 'some-key-1')).status).toBe(200)
  })

  it('count a WebSocket as long as it is open', async () => {
    const cluster = await startCluster([undefined], {
      deps: { apiKeyHashes: [entry('some-key-1', { concurrency: 1 })] },
      member: { slots: 8 },
    })
    acceptWebSockets(cluster.upstreams[0] as never, (_, onText) => onText(() => undefined))
    const open = (): Promise<WebSocket | undefined> =>
      new Promise((resolve) => {
        const url = `ws://127.0.0.1:${cluster.port}/v1/realtime?intent=transcription`
        const socket = new WebSocket(url, { headers: { authorization: 'Bearer some-key-1' } })
        socket.addEventListener('open', () => resolve(socket))
        socket.addEventListener('error', () => resolve(undefined))
      })
    const first = await open()
    expect(first).toBeDefined()
    expect(await open()).toBeUndefined()
    expect((await send(cluster, 'some-key-1')).code).toBe('concurrency_limited')
    first?.close()
    await waitFor(() => cluster.balancer.stats().inFlight === 0)
    let next: WebSocket | undefined
    while (!next) next = await open()
    next.close()
  })
})
