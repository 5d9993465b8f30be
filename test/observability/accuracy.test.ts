import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { startCluster, waitFor } from '../harness/index.js'

test('the cluster measures its own accuracy, also where it asks for keys', async () => {
  const key = randomBytes(24).toString('base64url')
  await using cluster = await startCluster({
    config: {
      groups: [{ instances: 1 }],
      eval: { enabled: true, clips: 8, interval: '1s' },
      auth: { apiKeys: [key] },
    },
  })
  const text = await waitFor(
    async () => {
      const headers = { authorization: `Bearer ${key}` }
      const metrics = await (await fetch(`${cluster.url}/metrics`, { headers })).text()
      return metrics.includes('asr_eval_wer_ratio{') ? metrics : null
    },
    { what: 'a word error rate', context: cluster.program.output },
  )
  const rate = Number(/asr_eval_wer_ratio\{group="default"\} (\S+)/.exec(text)?.[1])
  expect(rate).toBeGreaterThanOrEqual(0)
  expect(rate).toBeLessThan(0.5)
  expect(text).toMatch(/asr_eval_success\{group="default"\} 1/)
  expect(Number(/asr_eval_timestamp_seconds\{group="default"\} (\S+)/.exec(text)?.[1])).toBeGreaterThan(1.6e9)
  expect(text).toMatch(/asr_requests_total\{route="low-priority",code="200"\} [1-9]/)
  expect(text).not.toMatch(/asr_requests_total\{route="\/v1\/audio\/transcriptions",code="200"\}/)
})
