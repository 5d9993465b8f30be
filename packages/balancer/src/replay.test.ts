import { identityMark } from '@asr-cluster/protocol'
import { request as undiciRequest } from 'undici'
import { describe, expect, it } from 'vitest'
import { startCluster, waitFor, type TestCluster } from './fixtures/cluster.js'
import { makeGate } from './fixtures/gate.js'
import { seededRandom } from './fixtures/random.js'
import { json, type Answerer } from './fixtures/upstream.js'

interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: { text?: string; code?: string }
}

async function post(cluster: TestCluster, body: Buffer | string = 'hello'): Promise<Answer> {
  const answer = await undiciRequest(`${cluster.url}/asr`, { method: 'POST', body })
  return {
    status: answer.statusCode,
    headers: answer.headers,
    body: (await answer.body.json()) as Answer['body'],
  }
}

async function retries(cluster: TestCluster): Promise<string[]> {
  const text = await (await undiciRequest(`${cluster.url}/metrics`)).body.text()
  const lines = text.split('\n').filter((line) => line.startsWith('asr_retries_total{'))
  return lines.filter((line) => !line.endsWith(' 0')).sort()
}

const cutConnection: Answerer = (request) => request.socket.resetAndDestroy()

describe('replay', () => {
  it('sends a request again whose instance died, with the same bytes', async () => {
    const cluster = await startCluster([undefined, undefined])
    const [a, b] = cluster.upstreams as [(typeof cluster.upstreams)[0], (typeof cluster.upstreams)[0]]
    a.answer = () => a.die()
    const body = Buffer.alloc(3_000_000, 'abcdefghijk')
    const answer = await post(cluster, body)
    expect(answer).toMatchObject({ status: 200, body: { text: 'b' } })
    expect(answer.headers['x-asr-instance']).toBe('b')
    expect(a.received[0]?.body.equals(body)).toBe(true)
    expect(b.received[0]?.body.equals(body)).toBe(true)
    expect(b.received[0]?.headers['x-request-id']).toBe(a.received[0]?.headers['x-request-id'])
    expect(cluster.balancer.stats().members[0]).toMatchObject({ state: 'ejected' })
  })

  it('loses none of many when an instance dies with its slots full', async () => {
    const allIn = makeGate()
    const cluster = await startCluster([undefined, undefined], { member: { slots: 8 } })
    const [a, b] = cluster.upstreams as [(typeof cluster.upstreams)[0], (typeof cluster.upstreams)[0]]
    a.answer = () => {
      if (a.received.length === 8) allIn.open()
    }
    const answers = Array.from({ length: 16 }, (_, index) => post(cluster, `body ${index}`))
    await allIn.opened
    a.die()
    for (const answer of await Promise.all(answers))
      expect(answer).toMatchObject({ status: 200, body: { text: 'b' } })
    expect(b.received).toHaveLength(16)
  })

  it('takes no answer from a stranger on the port of a dead instance', async () => {
    const cluster = await startCluster([undefined, undefined], { member: { identity: 'i' }, dontWait: true })
    const [a, b] = cluster.upstreams as [(typeof cluster.upstreams)[0], (typeof cluster.upstreams)[0]]
    for (const upstream of cluster.upstreams) {
      const health = { status: 'healthy', timestamp: '', instance: upstream.name, identity: 'i' }
      upstream.health = (_, response) => json(response, 200, health)
      upstream.answer = (_, response) => {
        response.setHeader('x-asr-identity', identityMark('i'))
        json(response, 200, { text: upstream.name })
      }
    }
    const areUp = (): boolean => cluster.balancer.stats().members.every(({ state }) => state === 'up')
    await waitFor(areUp)
    for (let index = 0; index < 4; index += 1)
      expect((await post(cluster)).headers).not.toHaveProperty('x-asr-identity')
    expect(a.received.length).toBeGreaterThan(0)
    // Another program, which knows nothing of identities, and then one that was an instance of somebody else.
    const before = b.received.length
    a.answer = (_, response) => json(response, 200, { text: 'stranger' })
    for (let index = 0; index < 4; index += 1) expect((await post(cluster)).body).toEqual({ text: 'b' })
    expect(b.received.length - before).toBe(4)
    await waitFor(areUp)
    a.answer = (_, response) => {
      response.setHeader('x-asr-identity', 'j')
      json(response, 200, { text: 'stranger' })
    }
    for (let index = 0; index < 4; index += 1) expect((await post(cluster)).body).toEqual({ text: 'b' })
  })

  it('takes not even a first answer without a mark from one that marks all of its answers', async () => {
    const member = { identity: 'i', marks: true }
    const cluster = await startCluster([undefined, undefined], { member, dontWait: true })
    const [a, b] = cluster.upstreams as [(typeof cluster.upstreams)[0], (typeof cluster.upstreams)[0]]
    for (const upstream of cluster.upstreams) {
      const health = { status: 'healthy', timestamp: '', instance: upstream.name, identity: 'i' }
      upstream.health = (_, response) => json(response, 200, health)
    }
    a.answer = (_, response) => json(response, 200, { text: 'stranger' })
    b.answer = (_, response) => {
      response.setHeader('x-asr-identity', identityMark('i'))
      json(response, 200, { text: 'b' })
    }
    await waitFor(() => cluster.balancer.stats().members.every(({ state }) => state === 'up'))
    for (let index = 0; index < 4; index += 1) expect((await post(cluster)).body).toEqual({ text: 'b' })
    expect(a.received.length).toBeGreaterThan(0)
  })

  it('replays when the instance dies in the middle of a short answer', async () => {
    const cluster = await startCluster([
      (request, response) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 })
        response.write('{"text":', () => request.socket.resetAndDestroy())
      },
      undefined,
    ])
    expect(await post(cluster)).toMatchObject({ status: 200, body: { text: 'b' } })
  })

  it('calls a body poison that killed two instances, and spares the third', async () => {
    const cluster = await startCluster([undefined, undefined, undefined])
    for (const upstream of cluster.upstreams) upstream.answer = () => upstream.die()
    const answer = await post(cluster)
    expect(answer).toMatchObject({ status: 502, body: { code: 'poison_request' } })
    expect(cluster.upstreams.filter((upstream) => upstream.received.length > 0)).toHaveLength(2)
  })

  it('does not take two killed instances for poison when others die too', async () => {
    const cluster = await startCluster([undefined, undefined, undefined, undefined], { member: { slots: 1 } })
    const upstreams = cluster.upstreams
    const waiting = new Map<string, string>()
    for (const upstream of upstreams) {
      upstream.answer = (request) => waiting.set(String(request.headers['x-request-id']), upstream.name)
    }
    const ask = async (id: string) => {
      const headers = { 'x-request-id': id }
      const answer = await undiciRequest(`${cluster.url}/asr`, { method: 'POST', body: id, headers })
      await answer.body.dump()
      return answer.statusCode
    }
    const kill = (id: string) => upstreams.find((upstream) => upstream.name === waiting.get(id))?.die()
    const first = ask('first')
    const second = ask('second')
    await waitFor(() => waiting.size === 2)
    // The second request loses one instance, so that somebody besides the first one dies.
    kill('second')
    const left = (): number => upstreams.filter((upstream) => upstream.server.listening).length
    await waitFor(() => waiting.get('second') !== undefined && left() === 3)
    await waitFor(
      () =>
        upstreams.filter((each) => each.received.some((one) => one.headers['x-request-id'] === 'second'))
          .length === 2,
    )
    kill('first')
    await waitFor(
      () =>
        upstreams.filter((each) => each.received.some((one) => one.headers['x-request-id'] === 'first'))
          .length === 2,
    )
    for (const upstream of upstreams) upstream.answer = (_, response) => json(response, 200, { text: 'late' })
    kill('first')
    // Only the instance of the second request is left, and it is the one that answers the first when it is free.
    kill('second')
    const survivor = upstreams[0] as (typeof upstreams)[0]
    await waitFor(() => left() === 0)
    await survivor.listen()
    expect(await Promise.all([first, second])).toEqual([200, 200])
  })

  it('waits at the head of the queue when no other instance is up, until one returns', async () => {
    const cluster = await startCluster([undefined])
    const [a] = cluster.upstreams as [(typeof cluster.upstreams)[0]]
    const died = makeGate()
    a.answer = () => {
      a.die()
      a.answer = (_, response) => json(response, 200, { text: 'reborn' })
      died.open()
    }
    const answer = post(cluster)
    await died.opened
    await waitFor(() => cluster.balancer.stats().queueDepth === 1)
    await a.listen()
    expect(await answer).toMatchObject({ status: 200, body: { text: 'reborn' } })
  })

  it('ejects an instance that refuses connections without counting it as an attempt', async () => {
    const cluster = await startCluster([undefined, undefined, undefined], {
      config: { health: { interval: '60s' } },
    })
    await cluster.upstreams[0]?.close()
    await cluster.upstreams[1]?.close()
    expect(await post(cluster)).toMatchObject({ status: 200, body: { text: 'c' } })
    expect(cluster.balancer.stats().members.map((member) => member.state)).toEqual([
      'ejected',
      'ejected',
      'up',
    ])
  })

  it('replays on a used connection that the instance closed just now', async () => {
    const cluster = await startCluster([undefined], { config: { retry: { attempts: 2 } } })
    const [a] = cluster.upstreams as [(typeof cluster.upstreams)[0]]
    await post(cluster, 'warm up')
    a.answer = (request, response) => {
      a.answer = (_, again) => json(again, 200, { text: 'second connection' })
      cutConnection(request, response, Buffer.alloc(0))
    }
    expect(await post(cluster)).toMatchObject({ status: 200, body: { text: 'second connection' } })
    expect(cluster.balancer.stats().members[0]?.state).toBe('up')
  })

  it('gives up on an instance that lives and cuts every connection', async () => {
    const cluster = await startCluster([cutConnection, cutConnection, cutConnection])
    expect(await post(cluster)).toMatchObject({ status: 502, body: { code: 'upstream_failed' } })
  })

  it.each([
    [429, 'slots_full'],
    [503, 'draining'],
  ])('tries another when an instance answers %i %s', async (status, code) => {
    const decline: Answerer = (_, response) => json(response, status, { error: 'no', code, status: 'error' })
    const cluster = await startCluster([decline, undefined])
    expect(await post(cluster)).toMatchObject({ status: 200, body: { text: 'b' } })
  })

  it('counts as sent again what is sent again, not what is given up', async () => {
    const full: Answerer = (_, response) =>
      json(response, 429, { error: { message: 'no', code: 'slots_full' } })
    const given = await startCluster([cutConnection], { config: { retry: { attempts: 1 } } })
    expect(await post(given)).toMatchObject({ status: 502 })
    expect(await retries(given)).toEqual([])
    const again = await startCluster([cutConnection, full, undefined])
    expect(await post(again)).toMatchObject({ status: 200 })
    expect(await retries(again)).toEqual([
      'asr_retries_total{reason="broke"} 1',
      'asr_retries_total{reason="slots_full"} 1',
    ])
  })

  it('waits for a full instance when it is the only one', async () => {
    const cluster = await startCluster([undefined])
    const [a] = cluster.upstreams as [(typeof cluster.upstreams)[0]]
    a.answer = (_, response) => {
      a.answer = (__, again) => json(again, 200, { text: 'now' })
      json(response, 429, { error: { message: 'no', code: 'slots_full' } })
    }
    expect(await post(cluster)).toMatchObject({ status: 200, body: { text: 'now' } })
  })

  it('has one patience for an instance that is full again and again', async () => {
    const full: Answerer = (_, response) =>
      json(response, 429, { error: { message: 'no', code: 'slots_full' } })
    const cluster = await startCluster([full], { config: { queue: { timeout: '300ms' } } })
    expect(await post(cluster)).toMatchObject({ status: 503, body: { code: 'queue_timeout' } })
    expect((cluster.upstreams[0] as (typeof cluster.upstreams)[0]).received.length).toBeGreaterThan(2)
  })

  it('passes on any other error answer as it is', async () => {
    const cluster = await startCluster([
      (_, response) => json(response, 503, { code: 'model_busy' }),
      undefined,
    ])
    expect(await post(cluster)).toMatchObject({ status: 503, body: { code: 'model_busy' } })
  })

  it('rescues the requests of an instance that stopped', async () => {
    const config = { health: { interval: '40ms', timeout: '40ms', fall: 3 } }
    const cluster = await startCluster([undefined, undefined], { config })
    const [a] = cluster.upstreams as [(typeof cluster.upstreams)[0]]
    const silent: Answerer = () => undefined
    a.answer = () => {
      a.health = silent
    }
    expect(await post(cluster)).toMatchObject({ status: 200, body: { text: 'b' } })
    expect(cluster.balancer.stats().members[0]).toMatchObject({ state: 'ejected', inFlight: 0 })
  })

  it('answers 504 when an instance takes too long, without a second try', async () => {
    const cluster = await startCluster([() => undefined, undefined], {
      config: { timeouts: { response: '50ms' } },
    })
    expect(await post(cluster)).toMatchObject({ status: 504, body: { code: 'upstream_timeout' } })
    expect(cluster.upstreams[1]?.received).toHaveLength(0)
  })

  it('gives no slot away for ever', async () => {
    const cluster = await startCluster([cutConnection, undefined], { member: { slots: 2 } })
    await Promise.all(Array.from({ length: 20 }, () => post(cluster)))
    await waitFor(() => cluster.balancer.stats().inFlight === 0)
    expect(cluster.balancer.stats().members.map((member) => member.inFlight)).toEqual([0, 0])
  })

  it('loses nothing to an instance that closes idle connections all the time', async () => {
    const cluster = await startCluster([undefined], { member: { slots: 8 } })
    const [a] = cluster.upstreams as [(typeof cluster.upstreams)[0]]
    const random = seededRandom(3)
    // Closes right after an answer, before or while the next request is on its way.
    a.answer = (request, response) => {
      json(response, 200, { text: 'a' })
      if (random() < 0.5) setImmediate(() => request.socket.destroy())
    }
    const client = async (): Promise<number[]> => {
      const statuses: number[] = []
      for (let count = 0; count < 50; count += 1) statuses.push((await post(cluster)).status)
      return statuses
    }
    const statuses = (await Promise.all(Array.from({ length: 8 }, client))).flat()
    expect(statuses.filter((status) => status !== 200)).toEqual([])
  })

  it('ends a stream on which nothing comes any more', async () => {
    const cluster = await startCluster(
      [
        (_, response) =>
          void response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n'),
      ],
      { config: { timeouts: { response: '50ms' } } },
    )
    const answer = await undiciRequest(`${cluster.url}/asr`, { method: 'POST', body: 'x' })
    await expect(answer.body.text()).rejects.toThrow()
    await waitFor(() => cluster.balancer.stats().inFlight === 0)
  })
})
