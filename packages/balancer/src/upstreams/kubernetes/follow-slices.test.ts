import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { FakeClock } from '../../fixtures/fake-clock.js'
import type { SliceApi } from './api-client.js'
import { ApiError } from './api-error.js'
import { followSlices, pauseMs } from './follow-slices.js'
import { linesOf } from './lines.js'

describe('pauseMs', () => {
  it('doubles from half a second to half a minute, half of it random', () => {
    expect([0, 1, 2, 3, 7, 50].map((failures) => pauseMs(failures, () => 1))).toEqual([
      0, 500, 1_000, 2_000, 30_000, 30_000,
    ])
    expect(pauseMs(1, () => 0)).toBe(250)
  })
})

function follow(api: SliceApi, clock: FakeClock, onFailure: (error: Error) => void) {
  const stop = new AbortController()
  const query = { namespace: 'n', service: 's' }
  const options = { api, query, clock, random: () => 1, onSlices: () => undefined, onFailure }
  return { stop, following: followSlices(options, stop.signal) }
}

describe('followSlices', () => {
  it('waits longer after each failure, as long as it is told to, and not at all once the server is well', async () => {
    const clock = new FakeClock()
    const asked: number[] = []
    const answers: (() => Promise<never>)[] = [
      () => Promise.reject(new Error('down')),
      () => Promise.reject(new Error('down')),
      () => Promise.reject(new ApiError({ code: 429 }, 10_000)),
    ]
    const api: SliceApi = {
      list: () => {
        asked.push(clock.nowMs() - 1_000)
        return answers.shift()?.() ?? Promise.resolve({ slices: [], resourceVersion: '1' })
      },
      watch: (_query, _version, signal) =>
        new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
    }
    const failures: string[] = []
    const { stop, following } = follow(api, clock, (error) => failures.push(error.message))
    await clock.advance(60_000)
    expect(asked).toEqual([0, 500, 1_500, 11_500])
    expect(failures).toEqual(['down', 'down', 'API server: 429'])
    stop.abort()
    await following
    expect(clock.pending).toBe(0)
  })
})

describe('a pause', () => {
  it('leaves nothing behind on the signal, however many failures there are', async () => {
    const clock = new FakeClock()
    const api: SliceApi = { list: () => Promise.reject(new Error('down')), watch: () => Promise.resolve() }
    let failures = 0
    const { stop, following } = follow(api, clock, () => (failures += 1))
    await clock.advance(600_000)
    expect(failures).toBeGreaterThan(20)
    expect(getEventListeners(stop.signal, 'abort')).toHaveLength(1)
    stop.abort()
    await following
    expect(clock.pending).toBe(0)
  })
})

describe('linesOf', () => {
  async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size))
  }

  it.each([1, 2, 3, 7, 1_000])(
    'finds the lines in pieces of %i bytes, and drops a torn one',
    async (size) => {
      const lines: string[] = []
      for await (const line of linesOf(pieces(Buffer.from('{"a":"日本"}\n\n{"b":1}\r\n{"torn'), size)))
        lines.push(line)
      expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([{ a: '日本' }, { b: 1 }])
    },
  )

  it('gives up a line without an end', async () => {
    const endless = pieces(Buffer.alloc(17 * 1024 * 1024, 'x'), 1024 * 1024)
    await expect(linesOf(endless).next()).rejects.toThrow('too long')
  })
})
