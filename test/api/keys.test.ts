import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { request, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { hashApiKey } from '@asr-cluster/protocol'
import { expect, test } from 'vitest'
import { repositoryRoot, startCluster } from '../harness/index.js'
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

test('the limits of a key count before the body, over all connections, and change with a reload', async () => {
  const key = 'limited-secret-key'
  const withLimits = (limits: object) => ({
    ...apiConfig,
    auth: { apiKeys: [{ key, name: 'batch', ...limits }, 'metrics-secret-key'] },
  })
  await using cluster = await startCluster({ config: withLimits({ requestsPerMinute: 2 }) })
  const form = new FormData()
  form.set('file', new Blob([readFileSync(join(repositoryRoot, 'examples/hello.wav'))]), 'hello.wav')
  const upload = new Response(form)
  const headers = {
    authorization: `Bearer ${key}`,
    'content-type': upload.headers.get('content-type') ?? '',
    connection: 'close',
  }
  const body = Buffer.from(await upload.arrayBuffer())
  /** Not by fetch, which may tell of the connection that broke instead of the answer that came before the body was sent. */
  const send = async (): Promise<{ status: number; retryAfter: number; body: unknown }> => {
    const sent = request(`${cluster.url}/v1/audio/transcriptions`, { method: 'POST', headers, agent: false })
    sent.end(body)
    const [answer] = (await once(sent, 'response')) as [IncomingMessage]
    sent.on('error', () => undefined)
    const retryAfter = Number(answer.headers['retry-after'])
    return { status: answer.statusCode ?? 0, retryAfter, body: await json(answer) }
  }
  expect([(await send()).status, (await send()).status]).toEqual([200, 200])
  const refused = await send()
  expect(refused.status).toBe(429)
  expect(refused.retryAfter).toBeGreaterThan(0)
  expect(refused.body).toMatchObject({
    error: { code: 'rate_limited', type: 'invalid_request_error' },
  })

  const pid = await cluster.pidOf('balancer')
  cluster.writeConfig(withLimits({ requestsPerMinute: 600, concurrency: 1 }))
  expect(await cluster.cli('reload')).toMatchObject({ code: 0 })
  expect(await cluster.pidOf('balancer')).toBe(pid)
  const answers = await Promise.all(Array.from({ length: 8 }, send))
  const codes = answers.map(({ status }) => status)
  expect(codes).toContain(200)
  expect(codes).toContain(429)
  for (const answer of answers.filter(({ status }) => status === 429)) {
    expect(answer.body).toMatchObject({ error: { code: 'concurrency_limited' } })
  }
  const metrics = await fetch(`${cluster.url}/metrics`, {
    headers: { authorization: 'Bearer metrics-secret-key' },
  })
  const text = await metrics.text()
  expect(text).toContain('asr_key_refusals_total{key="batch",reason="rate"} 1')
  expect(text).toMatch(/asr_key_refusals_total\{key="batch",reason="concurrency"\} \d/)
  expect(text).not.toContain(key)
})
