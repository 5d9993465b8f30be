import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { fakeClock } from '../fixtures/fake-clock.js'
import { isSocketAlive } from './find-cluster.js'
import { lookIntervalMs, serveLastingControl } from './lasting-control.js'
import { ensureStateDir } from './state-dir.js'

it('listens anew once its folder is gone, and leaves no file', async () => {
  const root = mkdtempSync(join(tmpdir(), 'lasting-control-'))
  const dir = join(root, 'asr-cluster')
  const path = join(dir, '1.sock')
  const clock = fakeClock()
  const api = {
    status: () => ({}),
    certificate: () => Promise.resolve(null),
    balancerUrl: () => '',
    operations: {},
    logs: () => Promise.resolve(),
  }
  ensureStateDir(dir)
  const close = await serveLastingControl(path, api, clock)
  try {
    rmSync(dir, { recursive: true })
    expect(await isSocketAlive(path)).toBe(false)
    clock.advance(lookIntervalMs)
    await expect.poll(() => isSocketAlive(path)).toBe(true)
  } finally {
    await close()
  }
  expect(existsSync(path)).toBe(false)
  rmSync(root, { recursive: true })
})
