import { describe, expect, it } from 'vitest'
import type { InstanceState } from '@asr-cluster/protocol'
import type { MachineContext, MachineEvent, MachineSettings, MachineState } from './machine-types.js'
import { initialState, killRetryMs, transition } from './transition.js'

const settings: MachineSettings = {
  startTimeoutMs: 120_000,
  stopTimeoutMs: 10_000,
  drainTimeoutMs: 300_000,
  startRetries: 3,
  backoffBaseMs: 1_000,
  backoffCapMs: 60_000,
  readiness: 'message',
}
const context: MachineContext = { settings, random: 0.5 }
const exited = (code: number | null, signal: string | null = null): MachineEvent => ({
  type: 'exited',
  code,
  signal,
  detail: `exit ${code ?? signal}`,
})
const stop: MachineEvent = { type: 'stop', drain: true, reason: 'stop' }
const restart: MachineEvent = { type: 'restart', drain: true, cause: 'operator', reason: 'restart' }

/** Feeds events, each a second after the one before, and returns every state and effect on the way. */
function play(events: MachineEvent[], from: MachineState = initialState(), use = context) {
  let state = from
  let now = 10_000
  const trace: string[] = []
  for (const event of events) {
    now = event.type === 'deadline' && state.deadline !== null ? Math.max(now, state.deadline) : now + 1_000
    const result = transition(state, event, now, use)
    state = result.state
    const effects = result.effects.map((effect) => (effect.type === 'signal' ? effect.signal : effect.type))
    trace.push([state.state, ...effects].join(' '))
  }
  return { state, trace, now }
}

const start: MachineEvent = { type: 'start' }
const bringUp: MachineEvent[] = [start, { type: 'spawned' }, { type: 'said-ready' }, { type: 'probe-passed' }]

describe('the way up', () => {
  it('is ready only after the message and the probe', () => {
    expect(play(bringUp).trace).toEqual(['starting spawn', 'starting', 'starting probe', 'ready'])
  })

  it('probes a foreign server from the start, until it answers', () => {
    const foreign = { ...context, settings: { ...settings, readiness: 'probe' as const } }
    const events: MachineEvent[] = [
      start,
      { type: 'spawned' },
      { type: 'probe-failed', message: 'refused' },
      { type: 'probe-passed' },
    ]
    expect(play(events, initialState(), foreign).trace).toEqual([
      'starting spawn',
      'starting probe',
      'starting probe',
      'ready',
    ])
  })

  it('gives a load that goes on more time', () => {
    const { state, now } = play([start, { type: 'spawned' }, { type: 'progress' }])
    expect(state.deadline).toBe(now + settings.startTimeoutMs)
  })

  it('stops what is not ready in time, and names what was missing', () => {
    const { state, trace } = play([
      start,
      { type: 'spawned' },
      { type: 'said-ready' },
      { type: 'probe-failed', message: 'somebody else answers on port 7861' },
      { type: 'deadline' },
      exited(null, 'SIGTERM'),
    ])
    expect(trace.slice(-2)).toEqual(['stopping SIGTERM', 'backoff'])
    expect(state.reason).toBe('not ready within 120 s: somebody else answers on port 7861')
    expect(state.cause).toBe('start_timeout')
  })
})

describe('failed starts', () => {
  const round: MachineEvent[] = [{ type: 'deadline' }, exited(1)]

  it('are retried startRetries times and then given up', () => {
    const { state, trace } = play([start, exited(1), ...round, ...round, ...round])
    expect(trace.filter((step) => step === 'starting spawn')).toHaveLength(1 + settings.startRetries)
    expect(state.state).toBe('failed')
    expect(state.reason).toBe('exit 1 (given up: 4 failed starts in a row)')
  })

  it('wait longer each time, up to the cap', () => {
    const many = { settings: { ...settings, startRetries: 20 }, random: 1 }
    let { state, now } = play([start, exited(1)], initialState(), many)
    const waits: number[] = []
    for (let round = 0; round < 8; round += 1) {
      waits.push((state.deadline as number) - now)
      now = state.deadline as number
      state = transition(state, { type: 'deadline' }, now, many).state
      state = transition(state, exited(1), now, many).state
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60].map((seconds) => seconds * 1_000))
  })

  it('with exit 78 are never retried', () => {
    expect(play([start, exited(78)]).trace).toEqual(['starting spawn', 'failed'])
  })

  it('of a program that is not there are never retried', () => {
    const missing: MachineEvent = { type: 'spawn-failed', permanent: true, message: 'no such program' }
    expect(play([start, missing]).state.state).toBe('failed')
  })

  it('for want of processes or descriptors are retried', () => {
    const busy: MachineEvent = { type: 'spawn-failed', permanent: false, message: 'EAGAIN' }
    expect(play([start, busy, { type: 'deadline' }]).trace).toEqual([
      'starting spawn',
      'backoff',
      'starting spawn',
    ])
  })

  it('are forgotten after a life that lasted', () => {
    const { state } = play([start, exited(1), { type: 'deadline' }, ...bringUp.slice(1), exited(1)])
    expect(state).toMatchObject({ state: 'backoff', failedStarts: 0 })
  })
})

describe('crashes of a ready process', () => {
  it('are followed by an immediate restart', () => {
    const { state, now } = play([...bringUp, exited(null, 'SIGKILL')])
    expect(state).toMatchObject({ state: 'backoff', cause: 'crash' })
    expect((state.deadline as number) - now).toBeLessThanOrEqual(50)
  })

  it('every two seconds are still followed by an immediate restart', () => {
    let { state } = play([start])
    let now = 10_000
    for (let round = 0; round < 30; round += 1) {
      state = transition(state, { type: 'said-ready' }, now + 500, context).state
      state = transition(state, { type: 'probe-passed' }, now + 500, context).state
      now += 2_000
      state = transition(state, exited(null, 'SIGKILL'), now, context).state
      expect((state.deadline as number) - now).toBeLessThanOrEqual(50)
      state = transition(state, { type: 'deadline' }, state.deadline as number, context).state
    }
    expect(state).toMatchObject({ state: 'starting', restarts: 30 })
  })

  it('right after getting ready, again and again, end in failed', () => {
    let { state } = play([start])
    let now = 10_000
    let crashes = 0
    for (; state.state !== 'failed' && crashes < 100; crashes += 1) {
      state = transition(state, { type: 'said-ready' }, now, context).state
      state = transition(state, { type: 'probe-passed' }, now, context).state
      state = transition(state, exited(139), now + 10, context).state
      now = state.deadline ?? now
      if (state.state === 'backoff') state = transition(state, { type: 'deadline' }, now, context).state
    }
    expect(state.state).toBe('failed')
    expect(crashes).toBe(10 + 1 + settings.startRetries)
  })

  it('every five seconds are slowed down after sixty of them, but never given up', () => {
    let { state } = play([start])
    let now = 10_000
    let longest = 0
    for (let round = 0; round < 200; round += 1) {
      state = transition(state, { type: 'said-ready' }, now, context).state
      state = transition(state, { type: 'probe-passed' }, now, context).state
      now += 5_000
      state = transition(state, exited(1), now, context).state
      expect(state.state).toBe('backoff')
      longest = Math.max(longest, (state.deadline as number) - now)
      now = state.deadline as number
      state = transition(state, { type: 'deadline' }, now, context).state
    }
    expect(longest).toBeGreaterThan(settings.backoffCapMs / 2)
  })
})

describe('the way down', () => {
  it('drains, asks, and is gone', () => {
    expect(play([...bringUp, stop, { type: 'drained' }, exited(0)]).trace.slice(4)).toEqual([
      'draining',
      'stopping SIGTERM',
      'stopped',
    ])
  })

  it('ends a drain that takes too long', () => {
    const { state, trace } = play([...bringUp, stop, { type: 'deadline' }])
    expect(trace.at(-1)).toBe('stopping SIGTERM')
    expect(state.reason).toContain('drainTimeout')
  })

  it('kills what ignores SIGTERM, again and again', () => {
    const { state, trace, now } = play([
      ...bringUp,
      stop,
      { type: 'drained' },
      { type: 'deadline' },
      { type: 'deadline' },
    ])
    expect(trace.slice(-2)).toEqual(['stopping SIGKILL', 'stopping SIGKILL'])
    expect(state.deadline).toBe(now + killRetryMs)
  })

  it('takes a start during the drain as a change of mind', () => {
    expect(play([...bringUp, stop, start]).trace.slice(4)).toEqual(['draining', 'ready'])
  })

  it('starts again when told so while it stops', () => {
    const events = [...bringUp, stop, { type: 'drained' } as const, start, exited(0)]
    expect(play(events).trace.slice(-1)).toEqual(['starting spawn'])
  })

  it('restarts through a drain and counts it', () => {
    const { state, trace } = play([...bringUp, restart, { type: 'drained' }, exited(0)])
    expect(trace.slice(4)).toEqual(['draining', 'stopping SIGTERM', 'starting spawn'])
    expect(state).toMatchObject({ restarts: 1, cause: 'operator' })
  })

  it('replaces a process that no longer answers without a drain', () => {
    const { state, trace } = play([
      ...bringUp,
      { type: 'unresponsive', message: 'no answer for 30 s' },
      exited(null, 'SIGKILL'),
    ])
    expect(trace.slice(4)).toEqual(['stopping SIGKILL', 'backoff'])
    expect(state).toMatchObject({ cause: 'unresponsive', reason: 'no answer for 30 s' })
  })
})

describe('every state takes every event', () => {
  const paths: Record<InstanceState, MachineEvent[]> = {
    stopped: [],
    starting: [start],
    ready: bringUp,
    draining: [...bringUp, stop],
    stopping: [...bringUp, stop, { type: 'drained' }],
    backoff: [...bringUp, exited(1)],
    failed: [start, exited(78)],
  }
  const kill: MachineEvent = { type: 'kill', reason: 'kill' }

  it.each(Object.entries(paths))('%s: a stop, or a kill, ends in stopped', (_, path) => {
    for (const event of [stop, kill]) {
      let { state } = play(path)
      for (const next of [event, { type: 'drained' } as const, exited(0)]) {
        state = transition(state, next, 99_000, context).state
      }
      const expected = event === kill && path === paths.failed ? 'failed' : 'stopped'
      expect(state).toMatchObject({ state: expected, deadline: null })
    }
  })

  it.each(['stopped', 'failed', 'backoff'] as const)('%s: nothing of a former life moves it', (name) => {
    const { state } = play(paths[name])
    const late: MachineEvent[] = [
      { type: 'spawned' },
      { type: 'progress' },
      { type: 'said-ready' },
      { type: 'probe-passed' },
      { type: 'drained' },
      { type: 'unresponsive', message: '' },
      exited(0),
    ]
    for (const event of late)
      expect(transition(state, event, 10_001, context)).toEqual({ state, effects: [] })
  })
})
