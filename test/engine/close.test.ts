import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDemoEngine, transcribeSamples } from './demo-engine.ts'

let cacheDir: string

beforeAll(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'asr-close-'))
})

afterAll(async () => {
  await rm(cacheDir, { recursive: true })
})

// Threads that prepare side by side start with the second request, and load for some tenths of a second. A thread that is
// terminated meanwhile ends the whole process.
test.each([30, 60, 100, 150])(
  'an engine closes %i ms after it was asked for several answers, whatever its threads are at',
  async (waitMs) => {
    const demo = await openDemoEngine('none', { sideBySideFromSeconds: 0, threads: 2, cacheDir })
    const tone = Float32Array.from({ length: 5 * 16_000 }, (_, i) => 0.1 * Math.sin(i / 10))
    await transcribeSamples(demo.engine, tone.slice())
    const settled = Promise.allSettled([1, 2, 3].map(() => transcribeSamples(demo.engine, tone.slice())))
    await new Promise((resolve) => setTimeout(resolve, waitMs))
    await demo.close()
    for (const answer of await settled)
      if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ code: 'internal' })
  },
)
