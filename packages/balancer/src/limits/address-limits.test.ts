import { request } from 'undici'
import { describe, expect, it } from 'vitest'
import { startCluster, waitFor } from '../fixtures/cluster.js'
import { FakeClock } from '../fixtures/fake-clock.js'
import { makeGate } from '../fixtures/gate.js'
import { json } from '../fixtures/upstream.js'
import { AddressLimits } from './address-limits.js'

describe('AddressLimits', () => {
  it('counts each address by itself, an IPv6 network as one', () => {
    const limits = new AddressLimits({ concurrency: 1 })
    expect(limits.enter('10.0.0.1', 0).kind).toBe('entered')
    expect(limits.enter('10.0.0.2', 0).kind).toBe('entered')
    expect(limits.enter('10.0.0.1', 0)).toMatchObject({ kind: 'refused', reason: 'concurrency', limit: 1 })
    expect(limits.enter('2001:db8:0:1::5', 0).kind).toBe('entered')
    expect(limits.enter('2001:db8:0:1:9::6', 0).kind).toBe('refused')
    expect(limits.enter('2001:db8:0:2::5', 0).kind).toBe('entered')
  })

  it('forgets who has been away for a minute, and nobody else', () => {
    const limits = new AddressLimits({ requestsPerMinute: 1, concurrency: 5 })
    const stays = limits.enter('10.0.0.1', 0)
    for (let host = 0; host < 1_000; host += 1) {
      const entry = limits.enter(`10.1.${host >> 8}.${host & 255}`, 1_000)
      if (entry.kind === 'entered') entry.leave()
    }
    expect(limits.size).toBe(1_001)
    expect(limits.enter('10.0.0.9', 61_500).kind).toBe('entered')
    expect(limits.size).toBe(2)
    // Its place is still taken, its token is not back before its minute is over.
    expect(stays.kind).toBe('entered')
    expect(limits.enter('10.0.0.9', 90_000)).toMatchObject({ kind: 'refused', reason: 'rate' })
  })

  it('is nothing where nothing is limited', () => {
    expect(AddressLimits.of({})).toBeUndefined()
  })
})

async function send(url: string, key?: string) {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` }
  // Each on a connection of its own: the limit is the address's.
  const answer = await request(`${url}/asr`, { method: 'POST', body: 'sound', headers, reset: true })
  const { code } = (await answer.body.json()) as { code?: string }
  return { status: answer.statusCode, code, retryAfter: answer.headers['retry-after'] }
}

describe('limits of addresses', () => {
  it('bound the rate over all connections and keys, and say when the next request may come', async () => {
    const clock = new FakeClock()
    const config = { perAddress: { requestsPerMinute: 2 } }
    const cluster = await startCluster([undefined], { config, deps: { clock }, dontWait: true })
    while (cluster.balancer.stats().members[0]?.state !== 'up') await clock.advance(0)
    expect([await send(cluster.url, 'one'), await send(cluster.url, 'two')]).toMatchObject([
      { status: 200 },
      { status: 200 },
    ])
    expect(await send(cluster.url, 'three')).toEqual({
      status: 429,
      code: 'rate_limited',
      retryAfter: '30',
    })
    const metrics = await (await request(`${cluster.url}/metrics`)).body.text()
    expect(metrics).toContain('asr_address_refusals_total{reason="rate"} 1')
    await clock.advance(30_000)
    expect((await send(cluster.url)).status).toBe(200)
  })

  it('bound what is at once, and give each place back', async () => {
    const go = makeGate()
    const cluster = await startCluster(
      [
        async (_, response) => {
          await go.opened
          json(response, 200, {})
        },
      ],
      { config: { perAddress: { concurrency: 2 } }, member: { slots: 8 } },
    )
    const running = [send(cluster.url), send(cluster.url)]
    await waitFor(() => cluster.balancer.stats().inFlight === 2)
    expect(await send(cluster.url)).toEqual({ status: 429, code: 'concurrency_limited', retryAfter: '1' })
    expect((await request(`${cluster.url}/healthz`)).statusCode).toBe(200)
    go.open()
    expect((await Promise.all(running)).map(({ status }) => status)).toEqual([200, 200])
    for (let round = 0; round < 5; round += 1) expect((await send(cluster.url)).status).toBe(200)
  })
})
