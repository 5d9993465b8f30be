import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'
import { serveControl } from './control-server.js'
import type { Say, WriteLine } from './control-server.js'

it('keeps a bounded part of the log for a client that does not read, and says how many lines are missing', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'control-server-'))
  const socketPath = join(dir, 's.sock')
  const past = 60
  const text = 'x'.repeat(100_000)
  let write: WriteLine = () => {}
  let finish = (): void => {}
  const server = await serveControl(socketPath, {
    status: () => ({}),
    balancerUrl: () => '',
    certificate: () => Promise.resolve(null),
    operations: {},
    logs(_request, given) {
      write = given
      for (let index = 0; index < past; index += 1) write({ index, text })
      return new Promise((resolve) => {
        finish = resolve
      })
    },
  })
  try {
    const asked = request({ socketPath, path: '/logs?follow=1' }).end()
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    // Nobody reads until `lines` does, so that this piles up; the past was asked for, and is more than may pile up.
    const followed = 200
    for (let index = 0; index < followed; index += 1) write({ index: past + index, text }, true)
    const seen: number[] = []
    let dropped = 0
    for await (const raw of createInterface({ input: response })) {
      const line = JSON.parse(raw) as { index: number } | { dropped: number }
      if ('index' in line) {
        seen.push(line.index)
        if (line.index === 1_000) break
      } else {
        dropped += line.dropped
        write({ index: 1_000, text }, true)
        finish()
      }
    }
    const kept = seen.slice(0, -1)
    expect(kept).toEqual(kept.map((_, position) => position))
    expect(kept.length).toBeGreaterThan(past)
    expect(kept.length).toBeLessThan(past + followed / 2)
    expect(kept.length + dropped).toBe(past + followed)
    expect(seen.at(-1)).toBe(1_000)
  } finally {
    server.closeAllConnections()
    server.close()
    rmSync(dir, { recursive: true })
  }
})

function promise<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let settle = (_value: T): void => {}
  const wanted = new Promise<T>((resolve) => {
    settle = resolve
  })
  return { promise: wanted, resolve: (value) => settle(value) }
}

it('tells an operation that its caller has left, and lets it go on', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'control-server-'))
  const socketPath = join(dir, 's.sock')
  const began = promise<{ say: Say; gone: AbortSignal }>()
  const ended = promise<void>()
  const server = await serveControl(socketPath, {
    status: () => ({}),
    balancerUrl: () => '',
    certificate: () => Promise.resolve(null),
    logs: () => Promise.resolve(),
    operations: {
      async stop(_body, say, gone) {
        began.resolve({ say, gone: gone as AbortSignal })
        await ended.promise
        say('to nobody')
        return { ok: true }
      },
    },
  })
  try {
    const asked = request({ socketPath, path: '/stop', method: 'POST' }).end('{}')
    asked.on('error', () => {})
    const { say, gone } = await began.promise
    say('waiting for `scale 3`', true)
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    response.on('error', () => {})
    const [line] = (await once(response, 'data')) as [Buffer]
    expect(JSON.parse(String(line))).toEqual({ line: 'waiting for `scale 3`', waits: true })
    expect(gone.aborted).toBe(false)
    asked.destroy()
    await once(gone, 'abort')
    ended.resolve()
    const again = request({ socketPath, path: '/status' }).end()
    const [answer] = (await once(again, 'response')) as [IncomingMessage]
    expect(answer.statusCode).toBe(200)
    answer.resume()
  } finally {
    server.closeAllConnections()
    server.close()
    rmSync(dir, { recursive: true })
  }
})
