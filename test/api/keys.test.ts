import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hashApiKey } from '@asr-cluster/protocol'
import { expect, test } from 'vitest'
import { startCluster, waitFor } from '../harness/index.js'
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
  await waitFor(async () => (await status('another-secret-key')) === 401, { what: 'the keys to count' })
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
  await waitFor(async () => (await status('second-secret-key')) === 200, { what: 'the new key to count' })
  // A connection to the balancer that retires may get one last answer there.
  await waitFor(async () => (await status('first-secret-key')) === 401, { what: 'the old key to be refused' })
})
