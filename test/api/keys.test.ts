import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hashApiKey } from '@asr-cluster/protocol'
import { expect, test } from 'vitest'
import { startCluster } from '../harness/index.js'
import { apiConfig } from './api-client.ts'

test('keys come from a file, are replaced by a reload, and are not to be seen anywhere', async () => {
  await using cluster = await startCluster({ config: apiConfig })
  const status = async (key: string): Promise<number> =>
    (await fetch(`${cluster.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).status
  expect(await status('first-secret-key')).toBe(200)

  const keys = join(cluster.dir, 'keys.txt')
  writeFileSync(keys, `# of the test\nfirst-secret-key\n${hashApiKey('hashed-secret-key')}\n`)
  const config = { ...apiConfig, auth: { apiKeysFile: 'keys.txt' } }
  cluster.writeConfig(config)
  expect(await cluster.cli('reload')).toMatchObject({ code: 0 })
  // On whatever connection the client has left, without a moment to wait.
  expect(await status('another-secret-key')).toBe(401)
  expect(await status('first-secret-key')).toBe(200)
  expect(await status('hashed-secret-key')).toBe(200)

  const pid = await cluster.pidOf('balancer')
  for (const what of ['cmdline', 'environ']) {
    expect(readFileSync(`/proc/${pid}/${what}`, 'latin1')).not.toContain('first-secret-key')
  }
  expect((await cluster.cli('config', 'print')).stdout).not.toContain('first-secret-key')
  expect(cluster.program.output()).not.toContain('first-secret-key')

  writeFileSync(keys, 'second-secret-key\n')
  expect(await cluster.cli('reload')).toMatchObject({ code: 0 })
  expect(await status('first-secret-key')).toBe(401)
  expect(await status('second-secret-key')).toBe(200)
  // Nothing but the keys changed: the process is the same.
  expect(await cluster.pidOf('balancer')).toBe(pid)
})
