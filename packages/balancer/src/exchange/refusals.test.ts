import { request } from 'undici'
import { describe, expect, it } from 'vitest'
import { startCluster, waitFor, type ClusterOptions, type TestCluster } from '../fixtures/cluster.js'
import { makeMember } from '../fixtures/member.js'
import { json, type Answerer, type Upstream } from '../fixtures/upstream.js'

const queueFull =
  (retryAfter: number): Answerer =>
  (_, response) => {
    response.setHeader('retry-after', retryAfter)
    json(response, 429, { error: `${retryAfter} wait`, code: 'queue_full', status: 'error' })
  }
const nothingReady: Answerer = (_, response) => {
  response.setHeader('retry-after', 5)
  json(response, 503, { error: { message: 'none', code: 'no_instance_ready' } })
}
const tooLate: Answerer = (_, response) => json(response, 503, { code: 'queue_timeout' })

const post = (cluster: TestCluster, headers: Record<string, string> = {}) =>
  request(`${cluster.url}/asr`, { method: 'POST', body: 'x', headers })

const asked = ({ upstreams }: TestCluster): number[] => upstreams.map(({ received }) => received.length)

/** Boxes whose own health answers, so that nothing but what they say keeps requests away. */
const startBoxes = (answers: (Answerer | undefined)[], options: ClusterOptions = {}) =>
  startCluster(answers, { member: { slots: 8 }, ...options })

describe('a request that a balancer of the second tier refuses', () => {
  it.each([
    ['queue_full', queueFull(1)],
    ['no_instance_ready', nothingReady],
    ['queue_timeout', tooLate],
  ])('is sent to another one (%s)', async (code, refuse) => {
    const cluster = await startBoxes([refuse, undefined])
    const answers = await Promise.all(Array.from({ length: 4 }, () => post(cluster)))
    for (const { statusCode, body } of answers)
      expect([statusCode, await body.json()]).toEqual([200, { text: 'b' }])
    expect(cluster.upstreams[1]?.received).toHaveLength(4)
    expect(cluster.upstreams[0]?.received.length).toBeGreaterThan(0)
    const metrics = await (await request(`${cluster.url}/metrics`)).body.text()
    expect(metrics).toContain(`asr_retries_total{reason="${code}"}`)
    expect(metrics).not.toContain('asr_instance_requests_total{instance="a"')
  })

  it('gets the most useful refusal when all refuse, and each is asked once', async () => {
    const cluster = await startBoxes([queueFull(30), nothingReady, queueFull(7)])
    const { statusCode, headers, body } = await post(cluster)
    expect([statusCode, headers['retry-after'], headers['x-asr-instance']]).toEqual([429, '7', 'c'])
    expect(await body.json()).toEqual({ error: '7 wait', code: 'queue_full', status: 'error' })
    expect(asked(cluster)).toEqual([1, 1, 1])
    expect(cluster.balancer.stats().inFlight).toBe(0)
  })

  it('waits for no longer than the queue lets it', async () => {
    const cluster = await startBoxes([undefined, undefined], { config: { queue: { timeout: '100ms' } } })
    for (const upstream of cluster.upstreams)
      upstream.answer = (...args) => setTimeout(() => tooLate(...args), 150)
    expect(await (await post(cluster)).body.json()).toEqual({ code: 'queue_timeout' })
    expect(asked(cluster).toSorted((a, b) => a - b)).toEqual([0, 1])
  })

  it('is sent to another one also where it costs nothing', async () => {
    const cluster = await startBoxes([nothingReady, undefined])
    const answers = await Promise.all(['', ''].map(() => request(`${cluster.url}/health`)))
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200])
  })

  it('of low priority finds a box with a free slot', async () => {
    const cluster = await startBoxes([undefined, undefined])
    const [first, second] = cluster.upstreams as [Upstream, Upstream]
    for (const [one, other] of [
      [first, second],
      [second, first],
    ] as const) {
      one.answer = (_, response) => json(response, 503, { code: 'yielded' })
      other.answer = (_, response) => json(response, 200, {})
      expect((await post(cluster, { 'x-asr-priority': 'low' })).statusCode).toBe(200)
    }
  })

  it('finds the idle one of two real boxes, also with a body that the full one does not read', async () => {
    const config = { queue: { max: 1 } }
    const full = await startCluster([() => undefined], { config, member: { slots: 1 } })
    const idle = await startCluster([undefined], { config })
    for (let sent = 0; sent < 2; sent += 1) void post(full).catch(() => undefined)
    await waitFor(() => full.balancer.stats().inFlight + full.balancer.stats().queueDepth === 2)
    const front = await startCluster([], { dontWait: true })
    front.balancer.setMembers(
      [full, idle].map(({ url }, index) =>
        makeMember({ id: `box-${index}`, url, slots: 8, healthPath: '/readyz' }),
      ),
    )
    await waitFor(() => front.balancer.stats().members.every(({ state }) => state === 'up'))
    for (let sent = 0; sent < 4; sent += 1) {
      const body = Buffer.alloc(3_000_000)
      const answer = await request(`${front.url}/asr`, { method: 'POST', body })
      expect([answer.statusCode, answer.headers['x-asr-instance']]).toEqual([200, 'box-1'])
      await answer.body.dump()
    }
    expect(await (await request(`${front.url}/metrics`)).body.text()).toMatch(/asr_retries_total.*queue_full/)
  })
})
