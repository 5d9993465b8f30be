import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parseConfig } from '../config/parse-config.js'
import { startSupervisor } from './supervisor.js'

it.each([
  ['user', 'supervisor: { user: no-such-user-here }', 'there is no user `no-such-user-here`'],
  ['GPU', 'groups: [{ gpus: [77] }]', 'there is no GPU 77'],
  ['address', 'balancer: { host: 192.0.2.1, port: 0 }', 'cannot bind 192.0.2.1'],
])(
  'asks no running cluster to make room for one whose %s this machine does not have',
  async (_what, yaml, message) => {
    const stateDir = mkdtempSync(join(tmpdir(), 'supervisor-'))
    let isAsked = false
    try {
      const started = startSupervisor({
        config: parseConfig(yaml, 'test.yaml'),
        stateDir,
        makeRoom() {
          isAsked = true
          return Promise.reject(new Error('asked'))
        },
      })
      await expect(started).rejects.toThrow(message)
      expect(isAsked).toBe(false)
    } finally {
      rmSync(stateDir, { recursive: true })
    }
  },
)
