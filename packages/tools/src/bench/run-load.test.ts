import { describe, expect, it } from 'vitest'
import { gate, type Gate } from '../fixtures/gate.js'
import type { Clip } from './clips.js'
import { runLoad, type LoadWorld } from './run-load.js'
import type { Sample } from './sender.js'

const clips: Clip[] = ['a', 'b', 'c'].map((name) => ({
  name,
  seconds: 1,
  contentType: '',
  body: () => Buffer.from(''),
}))

interface Pretended {
  world: LoadWorld
  samples: Sample[]
  /** Requests in flight, oldest first. */
  waiting: { clip: string; sentMs: number; answer: Gate }[]
  mostInFlight: () => number
  controller: AbortController
}

/** A clock that jumps to where somebody sleeps to, and a server that answers when told. */
function pretend(answersAtOnce: boolean): Pretended {
  let nowMs = 0
  let most = 0
  const waiting: Pretended['waiting'] = []
  const samples: Sample[] = []
  const controller = new AbortController()
  return {
    samples,
    waiting,
    controller,
    mostInFlight: () => most,
    world: {
      clips,
      nowMs: () => nowMs,
      sleep: async (ms) => void (nowMs += ms),
      random: () => 0.5,
      signal: controller.signal,
      onSample: (sample) => void samples.push(sample),
      sender: {
        async send(clip, dueMs) {
          const sentMs = nowMs
          const answer = gate()
          const one = { clip: clip.name, sentMs, answer }
          waiting.push(one)
          most = Math.max(most, waiting.length)
          if (answersAtOnce) answer.open()
          await answer.opened
          waiting.splice(waiting.indexOf(one), 1)
          nowMs += 10
          return {
            clip: clip.name,
            dueMs,
            sentMs,
            endedMs: nowMs,
            failure: null,
            instance: null,
            fromCache: false,
            audioSeconds: 1,
            textDigest: null,
          }
        },
        async close() {},
      },
    },
  }
}

describe('closed loop', () => {
  it('has so many in flight and sends so many, the clips in turn', async () => {
    const { world, samples, mostInFlight } = pretend(true)
    await runLoad({ kind: 'closed', concurrency: 3, requests: 10, durationMs: null }, world)
    expect(samples).toHaveLength(10)
    expect(mostInFlight()).toBe(3)
    expect(
      samples
        .map(({ clip }) => clip)
        .sort()
        .join(''),
    ).toBe('aaaabbbccc')
  })

  it('sends the next only when one is answered', async () => {
    const { world, samples, waiting } = pretend(false)
    const run = runLoad({ kind: 'closed', concurrency: 2, requests: 3, durationMs: null }, world)
    expect(waiting.map(({ clip }) => clip)).toEqual(['a', 'b'])
    waiting[0]!.answer.open()
    await expect.poll(() => waiting.map(({ clip }) => clip)).toEqual(['b', 'c'])
    for (const { answer } of waiting) answer.open()
    await run
    expect(samples).toHaveLength(3)
  })

  it('ends with its time, and with the signal', async () => {
    const timed = pretend(true)
    await runLoad({ kind: 'closed', concurrency: 1, requests: null, durationMs: 95 }, timed.world)
    expect(timed.samples).toHaveLength(10)
    const stopped = pretend(true)
    stopped.world.onSample = (sample) => {
      stopped.samples.push(sample)
      if (stopped.samples.length === 4) stopped.controller.abort()
    }
    await runLoad({ kind: 'closed', concurrency: 1, requests: 100, durationMs: null }, stopped.world)
    expect(stopped.samples).toHaveLength(4)
  })
})

describe('open loop', () => {
  const plan = {
    kind: 'open',
    ratePerSecond: 10,
    durationMs: 500,
    arrivals: 'constant',
    maxInFlight: 99,
  } as const

  it('sends when they are due, whatever the server does', async () => {
    const { world, waiting, samples } = pretend(false)
    const run = runLoad(plan, world)
    await expect.poll(() => waiting.length).toBe(5)
    expect(waiting.map(({ sentMs }) => sentMs)).toEqual([0, 100, 200, 300, 400])
    for (const { answer } of waiting) answer.open()
    await run
    expect(samples).toHaveLength(5)
  })

  it('counts the wait for a free place from when it was due', async () => {
    const { world, waiting, samples } = pretend(false)
    const run = runLoad({ ...plan, maxInFlight: 1 }, world)
    for (let sent = 1; sent <= 5; sent++) {
      await expect.poll(() => waiting.length).toBe(1)
      waiting[0]!.answer.open()
      await expect.poll(() => samples.length).toBe(sent)
    }
    await run
    expect(samples.map(({ dueMs }) => dueMs)).toEqual([0, 100, 200, 300, 400])
    expect(samples.every(({ sentMs, dueMs }) => sentMs >= dueMs)).toBe(true)
  })

  it('stops with the signal', async () => {
    const { world, waiting, controller, samples } = pretend(false)
    const run = runLoad({ ...plan, maxInFlight: 2 }, world)
    await expect.poll(() => waiting.length).toBe(2)
    controller.abort()
    for (const { answer } of waiting) answer.open()
    await run
    expect(samples).toHaveLength(2)
  })
})
