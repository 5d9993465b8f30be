import { expect, test } from 'vitest'
import { metric } from '../api/api-client.ts'
import { startCluster, waitFor } from '../harness/index.js'
import { sendClip, spokenClips } from './clients.ts'

test('ten requests in a row name both instances in the ratio of their weights', async () => {
  const [clip] = await spokenClips()
  await using cluster = await startCluster({ config: { groups: [{ instances: 2, weights: [3, 2] }] } })
  // The balancer's own probe may reach one of them a moment before the other.
  await waitFor(async () => (await metric(cluster, 'asr_instance_up')) === 2, { what: 'both to be up' })
  const counts: Record<string, number> = {}
  for (let i = 0; i < 10; i++) {
    const { instance } = await sendClip(cluster.url, clip!)
    counts[instance!] = (counts[instance!] ?? 0) + 1
  }
  expect(counts).toEqual({ 'default-0': 6, 'default-1': 4 })
})
