import { describe, expect, it, onTestFinished } from 'vitest'
import { makeMember } from '../fixtures/member.js'
import { json, Upstream, type Answerer } from '../fixtures/upstream.js'
import { probeHttp } from './probe.js'

async function probe(health: Answerer, identity?: string, timeoutMs = 2_000) {
  const upstream = new Upstream('a')
  upstream.health = health
  await upstream.listen()
  onTestFinished(() => upstream.close())
  return probeHttp(makeMember({ url: upstream.url, ...(identity ? { identity } : {}) }), '/health', timeoutMs)
}

const health = { status: 'healthy', timestamp: 'now', instance: 'a', identity: 'secret', slots: 3 }

describe('probeHttp', () => {
  it('is good for an answer of ours, and tells its slots', async () => {
    const report = await probe((_, response) => json(response, 200, health), 'secret')
    expect(report).toEqual({ finding: { kind: 'good' }, slots: 3, native: true })
  })

  it('is good for any 2xx of a foreign server', async () => {
    const report = await probe((_, response) => response.writeHead(204).end())
    expect(report).toEqual({ finding: { kind: 'good' }, slots: undefined, native: false })
  })

  it.each([
    ['another identity', 'other', { ...health }],
    ['none', 'secret', { status: 'healthy' }],
  ])('tells somebody else on the port: %s', async (_, expected, body) => {
    const report = await probe((__, response) => json(response, 200, body), expected)
    expect(report.finding.kind).toBe('identity')
  })

  it.each(['starting', 'draining'])('takes %s as not ready', async (status) => {
    const report = await probe((_, response) => json(response, 503, { ...health, status }), 'secret')
    expect(report.finding).toEqual({ kind: 'not-ready', detail: `the instance is ${status}` })
  })

  it('fails on a 500, even from one whose identity is expected', async () => {
    const report = await probe((_, response) => json(response, 500, { error: 'x' }), 'secret')
    expect(report.finding).toEqual({ kind: 'failed', detail: 'the health path answered 500' })
  })

  it('fails on a connection that is cut', async () => {
    const report = await probe((request) => request.socket.destroy())
    expect(report.finding).toEqual({ kind: 'failed', detail: 'ECONNRESET' })
  })

  it('times out on silence', async () => {
    const report = await probe(() => undefined, undefined, 30)
    expect(report.finding).toEqual({ kind: 'timeout' })
  })

  it('is refused where nobody listens', async () => {
    const upstream = await new Upstream('a').listen()
    await upstream.close()
    const report = await probeHttp(makeMember({ url: upstream.url }), '/health', 1_000)
    expect(report.finding).toEqual({ kind: 'refused' })
  })
})
