import type { OutgoingHttpHeaders } from 'node:http'
import { hashApiKey } from '@asr-cluster/protocol'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { startCluster, waitFor, type TestCluster } from '../fixtures/cluster.js'
import { FakeClock } from '../fixtures/fake-clock.js'
import { makeGate } from '../fixtures/gate.js'
import { json } from '../fixtures/upstream.js'
import type { Answerer } from '../fixtures/upstream.js'
import { SingleFlight } from './single-flight.js'

const cached = (answer?: Answerer) =>
  startCluster([answer], { deps: { cacheMaxBytes: 1e6 }, member: { slots: 64 } })

interface Sent {
  path?: string
  audio?: string
  fields?: Record<string, string>
  headers?: Record<string, string>
  signal?: AbortSignal
}

async function send(
  { url }: TestCluster,
  { path = '/asr', audio = 'sound', fields = {}, headers: sent = {}, signal }: Sent = {},
) {
  const form = new FormData()
  form.set('audio', new Blob([audio]), 'a.wav')
  for (const [name, value] of Object.entries(fields)) form.set(name, value)
  const response = await fetch(url + path, {
    method: 'POST',
    body: form,
    headers: sent,
    signal: signal ?? null,
  })
  const { headers, status } = response
  return { status, text: await response.text(), cache: headers.get('x-asr-cache'), headers }
}

const worked = (cluster: TestCluster): number => cluster.upstreams[0]?.received.length ?? 0

describe('kept answers', () => {
  it('are given again to the same request, under its own id', async () => {
    const cluster = await cached()
    const first = await send(cluster)
    const second = await send(cluster)
    expect([first.cache, second.cache, worked(cluster)]).toEqual(['miss', 'hit', 1])
    expect(second.text).toBe(first.text)
    expect(second.headers.get('x-asr-instance')).toBe('a')
    expect(second.headers.get('x-request-id')).not.toBe(first.headers.get('x-request-id'))
    const metrics = await (await fetch(`${cluster.url}/metrics`)).text()
    expect(metrics).toMatch(/^asr_cache_hits_total 1$/m)
    expect(metrics).toMatch(/^asr_cache_misses_total 1$/m)
  })

  it.each<[string, Sent]>([
    ['sound', { audio: 'other' }],
    ['language', { fields: { language: 'de' } }],
    ['prompt', { fields: { prompt: 'Kubernetes' } }],
    ['route', { path: '/v1/audio/transcriptions' }],
    ['query', { path: '/asr?x' }],
  ])('are not given to a request with another %s', async (_, other) => {
    const cluster = await cached()
    await send(cluster)
    expect((await send(cluster, other)).cache).toBe('miss')
    expect(worked(cluster)).toBe(2)
  })

  it('are not given any more when another model serves', async () => {
    const cluster = await cached()
    const [member] = cluster.members
    await send(cluster)
    cluster.balancer.setMembers([{ ...member!, revision: '2' }])
    expect((await send(cluster)).cache).toBe('miss')
  })

  it('are only those that are good and whole', async () => {
    const cluster = await cached((_, response) => json(response, 400, { error: 'bad' }))
    for (let round = 0; round < 2; round++) expect((await send(cluster)).cache).toBe('miss')
    const streaming = await cached((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end('data: {}\n\n')
    })
    for (let round = 0; round < 2; round++) expect((await send(streaming)).cache).toBe('miss')
    expect([worked(cluster), worked(streaming)]).toEqual([2, 2])
  })

  it.each<[string, string]>([
    ['vary', 'Accept-Encoding'],
    ['content-encoding', 'identity'],
    ['cache-control', 'max-age=60, no-store'],
    ['cache-control', 'Private'],
    ['set-cookie', 'a=b'],
  ])('are none with %s: %s', async (name, value) => {
    const cluster = await cached((_, response) => {
      response.setHeader(name, value)
      json(response, 200, {})
    })
    for (let round = 0; round < 2; round++) expect((await send(cluster)).cache).toBe('miss')
  })

  it('are those whose headers allow it', async () => {
    const cluster = await cached((_, response) => {
      response.setHeader('vary', '').setHeader('cache-control', 'public, max-age=60')
      json(response, 200, {})
    })
    await send(cluster)
    expect((await send(cluster)).cache).toBe('hit')
  })

  it('are not given to who has another key, if an instance judges it', async () => {
    const cluster = await cached(({ headers }, response) =>
      json(response, headers.authorization === 'Bearer right' ? 200 : 401, {}),
    )
    const right = { headers: { authorization: 'Bearer right' } }
    expect(await send(cluster, right)).toMatchObject({ status: 200, cache: 'miss' })
    expect(await send(cluster, right)).toMatchObject({ status: 200, cache: 'hit' })
    const wrong = { headers: { authorization: 'Bearer wrong' } }
    expect(await send(cluster, wrong)).toMatchObject({ status: 401, cache: 'miss' })
  })

  it('are given to all who have a key of the balancer', async () => {
    const apiKeyHashes = ['key-number-1', 'key-number-2'].map(hashApiKey)
    const cluster = await startCluster([undefined], { deps: { cacheMaxBytes: 1e6, apiKeyHashes } })
    const [one, other] = [1, 2].map((number) => ({
      headers: { authorization: `Bearer key-number-${number}` },
    }))
    expect(await send(cluster, one)).toMatchObject({ status: 200, cache: 'miss' })
    expect(await send(cluster, other)).toMatchObject({ status: 200, cache: 'hit' })
  })

  it('are marked once where an upstream is a balancer that keeps answers too', async () => {
    const cluster = await cached((_, response) => {
      response.setHeader('X-ASR-Cache', 'hit')
      json(response, 200, {})
    })
    expect((await send(cluster)).cache).toBe('miss')
    expect((await send(cluster)).cache).toBe('hit')
  })

  it('are given also while the queue is full, and so is one that is on its way', async () => {
    const go = makeGate()
    let isHeld = false
    const cluster = await startCluster(
      [
        async (_, response) => {
          if (isHeld) await go.opened
          json(response, 200, { text: 'x' })
        },
      ],
      { deps: { cacheMaxBytes: 1e6 }, member: { slots: 1 }, config: { queue: { max: 1 } } },
    )
    await send(cluster, { audio: 'known' })
    isHeld = true
    const first = send(cluster, { audio: 'first' })
    await waitFor(() => worked(cluster) === 2)
    const second = send(cluster, { audio: 'second' })
    await waitFor(() => cluster.balancer.stats().queueDepth === 1)
    const follower = send(cluster, { audio: 'first' })
    expect(await send(cluster, { audio: 'known' })).toMatchObject({ status: 200, cache: 'hit' })
    const refused = await send(cluster, { audio: 'new' })
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1'])
    expect(JSON.parse(refused.text)).toMatchObject({ code: 'queue_full' })
    go.open()
    const ends = await Promise.all([first, second, follower])
    expect(ends.map(({ status, cache }) => [status, cache])).toEqual([
      [200, 'miss'],
      [200, 'miss'],
      [200, 'hit'],
    ])
  })

  it('are off unless they are wanted', async () => {
    const cluster = await startCluster([undefined])
    for (let round = 0; round < 2; round++) expect((await send(cluster)).cache).toBeNull()
    expect(worked(cluster)).toBe(2)
  })
})

describe('the same request many times at once', () => {
  it('is sent once', async () => {
    const go = makeGate()
    const cluster = await cached(
      (_, response) => void go.opened.then(() => json(response, 200, { text: 'x' })),
    )
    const requests = Array.from({ length: 100 }, () => send(cluster))
    await waitFor(() => worked(cluster) === 1)
    go.open()
    const answers = await Promise.all(requests)
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(100)
    expect(answers.filter(({ cache }) => cache === 'miss')).toHaveLength(1)
    expect(worked(cluster)).toBe(1)
  })

  it('goes on with another one when the client of the first leaves', async () => {
    const go = makeGate()
    const cluster = await cached(
      (_, response) => void go.opened.then(() => json(response, 200, { text: 'x' })),
    )
    const leaving = new AbortController()
    const first = send(cluster, { signal: leaving.signal }).catch(() => 'left')
    await waitFor(() => worked(cluster) === 1)
    const others = Array.from({ length: 5 }, () => send(cluster))
    const alsoLeaving = new AbortController()
    const left = send(cluster, { signal: alsoLeaving.signal }).catch(() => 'left')
    alsoLeaving.abort()
    leaving.abort()
    await waitFor(() => worked(cluster) === 2)
    go.open()
    expect(await Promise.all([first, left])).toEqual(['left', 'left'])
    expect((await Promise.all(others)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
    expect(worked(cluster)).toBe(2)
  })

  it.each<[string, OutgoingHttpHeaders]>([
    ['an event stream', { 'content-type': 'text/event-stream' }],
    ['too long', { 'content-length': 5_000_000 }],
    ['of one client', { 'content-length': 2, 'set-cookie': 'a=b' }],
  ])('is sent by each as soon as its answer is %s', async (_, headers) => {
    const go = makeGate()
    const cluster = await cached((_request, response) => {
      response.writeHead(200, headers)
      response.write('x')
      void go.opened.then(() => response.destroy())
    })
    const requests = Array.from({ length: 3 }, () => send(cluster).catch(() => 'broke off'))
    // None of the answers has ended.
    await waitFor(() => worked(cluster) === 3)
    go.open()
    await Promise.all(requests)
  })

  it('is sent once where the first answer was that an instance takes no work', async () => {
    const go = makeGate()
    let isFirst = true
    const cluster = await cached((_, response) => {
      if (!isFirst) return void go.opened.then(() => json(response, 200, { text: 'x' }))
      isFirst = false
      json(response, 429, { error: { code: 'slots_full' } })
    })
    const requests = Array.from({ length: 3 }, () => send(cluster))
    await waitFor(() => worked(cluster) === 2)
    go.open()
    const answers = await Promise.all(requests)
    expect(answers.filter(({ cache }) => cache === 'hit')).toHaveLength(2)
    expect(worked(cluster)).toBe(2)
  })

  it('waits for a slot only once, also behind another one that waited in vain', async () => {
    const clock = new FakeClock()
    const cluster = await startCluster([() => undefined], {
      deps: { cacheMaxBytes: 1e6, clock },
      config: { queue: { timeout: '10s' } },
      dontWait: true,
    })
    const { balancer } = cluster
    while (balancer.stats().members[0]?.state !== 'up') await clock.advance(0)
    const follow = vi.spyOn(SingleFlight.prototype, 'follow')
    onTestFinished(() => follow.mockRestore())
    void send(cluster, { audio: 'other' }).catch(() => undefined)
    await waitFor(() => worked(cluster) === 1)
    let answered = 0
    const ask = () => send(cluster).finally(() => (answered += 1))
    const first = ask()
    await waitFor(() => balancer.stats().queueDepth === 1)
    await clock.advance(4_000)
    const second = ask()
    await waitFor(() => follow.mock.calls.length === 1)
    await clock.advance(6_000)
    expect((await first).text).toContain('queue_timeout')
    await waitFor(() => balancer.stats().queueDepth === 1)
    await clock.advance(3_999)
    expect([answered, balancer.stats().queueDepth]).toEqual([1, 1])
    await clock.advance(1)
    expect((await second).text).toContain('queue_timeout')
  })

  it('does not wait behind the line of another client', async () => {
    const keys = ['of-one-client', 'of-another']
    const waiting: (() => void)[] = []
    const cluster = await startCluster(
      [(_, response) => void waiting.push(() => json(response, 200, { text: 'x' }))],
      { deps: { cacheMaxBytes: 1e6, apiKeyHashes: keys.map(hashApiKey) }, member: { slots: 1 } },
    )
    const ask = (audio: string, key: string | undefined) =>
      send(cluster, { audio, headers: { authorization: `Bearer ${key}` } })
    const queued = (count: number) => waitFor(() => cluster.balancer.stats().queueDepth === count)
    const line: Promise<{ status: number }>[] = []
    for (const [index, audio] of ['1', '2', '3', '4', 'same'].entries()) {
      line.push(ask(audio, keys[0]))
      await (index === 0 ? waitFor(() => worked(cluster) === 1) : queued(index))
    }
    const follow = vi.spyOn(SingleFlight.prototype, 'follow')
    onTestFinished(() => follow.mockRestore())
    const other = ask('same', keys[1])
    await waitFor(() => follow.mock.calls.length === 1)
    for (let turn = 1; turn <= 3; turn += 1) {
      await waitFor(() => waiting.length === turn)
      waiting[turn - 1]?.()
    }
    expect(await other).toMatchObject({ status: 200, cache: 'hit' })
    for (let turn = 4; turn <= 5; turn += 1) {
      await waitFor(() => waiting.length === turn)
      waiting[turn - 1]?.()
    }
    expect((await Promise.all(line)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
    expect(worked(cluster)).toBe(5)
  })

  it('is sent by each when the first one gets an error', async () => {
    const go = makeGate()
    let isFirst = true
    const cluster = await cached((_, response) => {
      const status = isFirst ? 500 : 200
      isFirst = false
      void go.opened.then(() => json(response, status, { text: 'x' }))
    })
    const requests = Array.from({ length: 4 }, () => send(cluster))
    await waitFor(() => worked(cluster) === 1)
    go.open()
    const statuses = (await Promise.all(requests)).map(({ status }) => status).toSorted((a, b) => a - b)
    expect(statuses).toEqual([200, 200, 200, 500])
  })
})
