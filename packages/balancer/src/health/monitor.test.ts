import { balancerConfigSchema } from '@asr-cluster/protocol'
import { describe, expect, it } from 'vitest'
import type { Backend } from '../backend/backend.js'
import { FakeClock, settle } from '../fixtures/fake-clock.js'
import { makeGate, type Gate } from '../fixtures/gate.js'
import { makeBackend } from '../fixtures/member.js'
import type { Finding } from './judge.js'
import { HealthMonitor } from './monitor.js'

/** A monitor over backends whose probes are answered by `answers`; a probe of a silent one takes its whole timeout. */
function setUp(count: number, overrides: Partial<Backend['member']> = {}) {
  const clock = new FakeClock()
  const backends = Array.from({ length: count }, (_, index) =>
    makeBackend({ id: 'abcdef'[index] as string, ...overrides }),
  )
  for (const backend of backends) backend.state = 'probing'
  const answers = new Map<string, Finding | { kind: 'unsendable' }>(
    backends.map((backend) => [backend.id, { kind: 'good' }]),
  )
  const events: string[] = []
  const monitor = new HealthMonitor({
    health: balancerConfigSchema.parse({}).health,
    clock,
    backends: () => backends,
    probe: async (member, _, timeoutMs) => {
      const finding = answers.get(member.id) as Finding | { kind: 'unsendable' }
      if (finding.kind === 'unsendable') throw new Error('Invalid URL')
      if (finding.kind === 'timeout') await new Promise<void>((resolve) => clock.after(timeoutMs, resolve))
      return { finding, slots: undefined, native: true }
    },
    onEjected: (backend, reason) => events.push(`${backend.id} ${reason}`),
    onReturned: (backend) => events.push(`${backend.id} up`),
  })
  for (const backend of backends) monitor.watch(backend)
  return { clock, backends: backends as [Backend, Backend, Backend], answers, events, monitor }
}

function run(backend: Backend): Gate<string> {
  const gate = makeGate<string>()
  backend.running.add({ stalled: () => gate.open('stalled') })
  return gate
}

describe('HealthMonitor', () => {
  it('takes a member into service after its first good probe', async () => {
    const { clock, backends, events } = setUp(2)
    await clock.advance(0)
    expect(events).toEqual(['a up', 'b up'])
    expect(backends[0].isServing()).toBe(true)
  })

  it('finds a hanging instance within interval × fall and ends its requests', async () => {
    const { clock, backends, answers, events } = setUp(2)
    await clock.advance(0)
    const stalled = run(backends[0])
    // Right after a probe was answered: the worst moment.
    answers.set('a', { kind: 'timeout' })
    await clock.advance(6_000)
    expect(events).toContain('a probe_timeout')
    expect(await stalled.opened).toBe('stalled')
  })

  it('leaves the requests of a silent foreign server alone', async () => {
    const { clock, backends, answers, events } = setUp(2, { native: false })
    await clock.advance(0)
    let ended = false
    backends[0].running.add({ stalled: () => (ended = true) })
    answers.set('a', { kind: 'timeout' })
    await clock.advance(10_000)
    expect(events).toContain('a probe_timeout')
    expect(ended).toBe(false)
  })

  it('takes the requests of a host that is not there from any server, whoever finds it out', async () => {
    const { clock, backends, answers, events, monitor } = setUp(3, { native: false })
    await clock.advance(0)
    const [byProbe, byRequest] = [run(backends[0]), run(backends[1])]
    answers.set('a', { kind: 'unreachable', detail: 'EHOSTUNREACH' })
    await clock.advance(6_000)
    expect(events).toContain('a unreachable')
    expect(await byProbe.opened).toBe('stalled')
    answers.set('b', { kind: 'unreachable', detail: 'EHOSTUNREACH' })
    monitor.eject(backends[1], 'refused', 'EHOSTUNREACH')
    expect(events).toContain('b unreachable')
    expect(await byRequest.opened).toBe('stalled')
  })

  it('does not remove a silent instance whose answers still come', async () => {
    const { clock, backends, answers, events } = setUp(2)
    await clock.advance(0)
    answers.set('a', { kind: 'timeout' })
    for (let step = 0; step < 100; step += 1) {
      backends[0].lastByteAtMs = clock.nowMs()
      await clock.advance(200)
    }
    expect(events).toEqual(['a up', 'b up'])
  })

  it('never removes more than half on silence, but all that refuse', async () => {
    const { clock, answers, events, backends } = setUp(3)
    await clock.advance(0)
    for (const backend of backends) answers.set(backend.id, { kind: 'timeout' })
    await clock.advance(20_000)
    expect(events.filter((event) => event.endsWith('probe_timeout'))).toHaveLength(1)
    for (const backend of backends) answers.set(backend.id, { kind: 'refused' })
    await clock.advance(20_000)
    expect(backends.map((backend) => backend.state)).toEqual(['ejected', 'ejected', 'ejected'])
  })

  it('brings an instance back by itself, with a slow start when it was away for long', async () => {
    const { clock, answers, events, backends, monitor } = setUp(2)
    await clock.advance(0)
    answers.set('a', { kind: 'refused' })
    monitor.eject(backends[0], 'broke', 'x')
    await clock.advance(5_000)
    answers.set('a', { kind: 'good' })
    await clock.advance(2_000)
    expect(events).toEqual(['a up', 'b up', 'a broke', 'a up'])
    expect(backends[0].effectiveWeight(clock.nowMs())).toBeLessThan(1)
  })

  it('returns a living instance at once after one broken connection, at full weight', async () => {
    const { clock, backends, events, monitor } = setUp(2)
    await clock.advance(0)
    monitor.eject(backends[0], 'broke', 'x')
    expect(backends[0].isServing()).toBe(false)
    await settle()
    expect(events.slice(2)).toEqual(['a broke', 'a up'])
    expect(backends[0].effectiveWeight(clock.nowMs())).toBe(1)
  })

  it('tells a dead process from a broken connection', async () => {
    const { clock, backends, answers, monitor } = setUp(3)
    await clock.advance(0)
    monitor.eject(backends[0], 'broke', 'x')
    expect(await monitor.confirmGone(backends[0], 0)).toBe(false)
    answers.set('b', { kind: 'refused' })
    monitor.eject(backends[1], 'broke', 'x')
    expect(await monitor.confirmGone(backends[1], 0)).toBe(true)
    answers.set('c', { kind: 'timeout' })
    monitor.eject(backends[2], 'broke', 'x')
    const silent = monitor.confirmGone(backends[2], 0)
    await clock.advance(600)
    expect(await silent).toBe(true)
    monitor.unwatch(backends[0])
    expect(await monitor.confirmGone(backends[0], 0)).toBe(true)
  })

  it('counts a probe that cannot be sent as a failed one, and goes on', async () => {
    const { clock, backends, answers, events } = setUp(2)
    await clock.advance(0)
    answers.set('a', { kind: 'unsendable' })
    await clock.advance(10_000)
    expect(backends[0]).toMatchObject({ state: 'ejected', reason: 'Invalid URL' })
    answers.set('a', { kind: 'good' })
    await clock.advance(10_000)
    expect(events).toEqual(['a up', 'b up', 'a probe_failed', 'a up'])
  })

  it('probes nothing after it stopped', async () => {
    const { clock, monitor } = setUp(2)
    await clock.advance(0)
    monitor.stop()
    expect(clock.pending).toBe(0)
  })
})
