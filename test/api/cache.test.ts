import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startCluster, startCommand, waitFor, type TestCluster } from '../harness/index.js'
import { apiConfig, clip, clipFile, metric, model, officialClient } from './api-client.ts'

type Cache = string | null

async function send(cluster: TestCluster, fields: Record<string, string> = {}): Promise<Cache> {
  const { data, response } = await officialClient(cluster)
    .audio.transcriptions.create({ file: await clipFile(), model, ...fields })
    .withResponse()
  expect(data.text).toBe(clip.text)
  return response.headers.get('x-asr-cache')
}

const inferences = (cluster: TestCluster) => metric(cluster, 'asr_instance_requests_total', /code="200"/)

test('1,000 identical requests at once are one inference, and any other request is a miss', async () => {
  await using cluster = await startCluster({
    config: { ...apiConfig, cache: { enabled: true, maxBytes: '10MB' } },
  })
  const answers = await Promise.all(Array.from({ length: 1_000 }, () => send(cluster)))
  expect(answers.filter((cache) => cache === 'miss')).toHaveLength(1)
  expect(answers.filter((cache) => cache === 'hit')).toHaveLength(999)
  expect(await inferences(cluster)).toBe(1)
  const tokens = await metric(cluster, 'asr_tokens_total')
  expect(tokens).toBeLessThan(30)
  expect(await metric(cluster, 'asr_cache_hits_total')).toBe(999)
  expect(await metric(cluster, 'asr_cache_misses_total')).toBe(1)
  const others = [{ language: 'en' }, { prompt: 'servers' }, { model: 'demo' }]
  for (const fields of others) expect(await send(cluster, fields)).toBe('miss')
  for (const fields of others) expect(await send(cluster, fields)).toBe('hit')
  expect(await inferences(cluster)).toBe(4)
})

test('without the cache each request is an inference', async () => {
  await using cluster = await startCluster({ config: apiConfig })
  const answers = await Promise.all(Array.from({ length: 50 }, () => send(cluster)))
  expect(answers.every((cache) => cache === null)).toBe(true)
  expect(await inferences(cluster)).toBe(50)
})

const hasRedis = spawnSync('redis-server', ['--version']).status === 0

test.skipIf(!hasRedis)(
  'what one cluster was asked another one knows, by Redis; and itself after a restart',
  async () => {
    const dir = mkdtempSync(join(tmpdir(), 'asr-redis-'))
    onTestFinished(() => rmSync(dir, { recursive: true }))
    const socket = join(dir, 'redis.sock')
    await using redis = startCommand('redis-server', ['--port', '0', '--unixsocket', socket, '--save', ''], {
      cwd: dir,
    })
    await redis.printed(/eady to accept connections/)
    const cache = { enabled: true, redis: `unix://${socket}`, dir: join(dir, 'answers') }
    const start = (settings: object) =>
      startCluster({ config: { ...apiConfig, cache: { enabled: true, ...settings } } })
    {
      await using cluster = await start(cache)
      expect(await send(cluster)).toBe('miss')
      const options = { what: 'a hit in another cluster' }
      await using other = await start({ redis: cache.redis })
      await waitFor(async () => (await send(other)) === 'hit', options)
      expect(await inferences(cluster)).toBe(1)
    }
    redis.signal('SIGKILL')
    await redis.exited
    await using again = await start(cache)
    expect(await send(again)).toBe('hit')
    expect(await inferences(again)).toBe(0)
  },
)
