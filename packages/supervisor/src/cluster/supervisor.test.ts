import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { MachineMismatchError } from '../config/config-error.js'
import { parseConfig } from '../config/parse-config.js'
import { startSupervisor } from './supervisor.js'

it('asks no running cluster to make room for one whose user this machine does not have', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'supervisor-'))
  let isAsked = false
  try {
    const started = startSupervisor({
      config: parseConfig('supervisor: { user: no-such-user-here }', 'test.yaml'),
      stateDir,
      makeRoom() {
        isAsked = true
        return Promise.reject(new Error('asked'))
      },
    })
    await expect(started).rejects.toThrow(MachineMismatchError)
    expect(isAsked).toBe(false)
  } finally {
    rmSync(stateDir, { recursive: true })
  }
})
