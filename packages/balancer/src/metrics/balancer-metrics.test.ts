import { describe, expect, it } from 'vitest'
import type { Backend } from '../backend/backend.js'
import { FakeClock } from '../fixtures/fake-clock.js'
import { makeBackend } from '../fixtures/member.js'
import { BalancerMetrics } from './balancer-metrics.js'
import { renderMetrics } from './merge.js'

const minuteMs = 60_000

function start() {
  const clock = new FakeClock()
  const backends: Backend[] = []
  const metrics = new BalancerMetrics(() => ({ queueDepth: 0, backends }), clock)
  for (const id of ['pod-1', 'pod-10']) {
    const backend = makeBackend({ id })
    backends.push(backend)
    metrics.instanceAnswered(backend, 200, 0.1)
    metrics.instanceAnswered(backend, 429)
    metrics.ejected(id, 'broke')
  }
  const leave = (id: string): Backend => {
    const index = backends.findIndex((backend) => backend.id === id)
    const [left] = backends.splice(index, 1) as [Backend]
    left.removed = true
    metrics.instanceLeft(id)
    return left
  }
  const named = (): string[] => {
    const names = renderMetrics([metrics.toJson()]).matchAll(/^(asr_\w+)\{.*instance="([^"]+)"/gm)
    return [...new Set([...names].map(([, name, id]) => `${id} ${name}`))].toSorted()
  }
  return { clock, backends, metrics, leave, named }
}

const counted = [
  'asr_ejections_total',
  'asr_instance_request_duration_seconds',
  'asr_instance_requests_total',
]
const isAbout = (id: string) => (line: string) => line.startsWith(`${id} `)

const isCount = (id: string) => (line: string) => counted.some((name) => line === `${id} ${name}`)

describe('the series of an instance that left', () => {
  it('stay until they have been scraped for the last time, and go then', async () => {
    const { clock, leave, named } = start()
    leave('pod-1')
    await clock.advance(14 * minuteMs)
    expect(named().filter(isAbout('pod-1')).join()).toMatch(new RegExp(counted.join('.*')))
    await clock.advance(minuteMs)
    expect(named().filter(isAbout('pod-1'))).toEqual([])
    expect(named().filter(isAbout('pod-10')).join()).toMatch(new RegExp(counted.join('.*')))
  })

  it('go also where nobody scrapes, and not when it came back', async () => {
    const { clock, backends, leave, named, metrics } = start()
    leave('pod-1')
    leave('pod-10')
    await clock.advance(15 * minuteMs)
    backends.push(makeBackend({ id: 'pod-10' }))
    metrics.instanceLeft('another')
    const back = makeBackend({ id: 'pod-1' })
    backends.push(back)
    metrics.instanceAnswered(back, 200)
    expect(named().filter(isCount('pod-1'))).toEqual(['pod-1 asr_instance_requests_total'])
    await clock.advance(15 * minuteMs)
    expect(named().filter(isAbout('pod-10')).join()).toMatch(new RegExp(counted.join('.*')))
  })

  it('do not come back with an answer that was on its way', async () => {
    const { clock, leave, named, metrics, backends } = start()
    const left = leave('pod-1')
    await clock.advance(14 * minuteMs)
    metrics.instanceAnswered(left, 200, 840)
    await clock.advance(minuteMs)
    metrics.instanceLeft('another')
    metrics.instanceAnswered(left, 200, 900)
    expect(named().filter(isAbout('pod-1'))).toEqual([])
    // One of the same name keeps its series, and what came from the one before is counted there as before.
    backends.push(makeBackend({ id: 'pod-1' }))
    metrics.instanceAnswered(left, 200)
    expect(named().filter(isCount('pod-1'))).toEqual(['pod-1 asr_instance_requests_total'])
  })
})
