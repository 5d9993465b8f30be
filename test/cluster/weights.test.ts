import { expect, test } from 'vitest'
import { startCluster } from '../harness/index.js'
import { sendClip, spokenClips } from './clients.ts'

test('ten requests in a row name both instances in the ratio of their weights', async () => {
  const [clip] = await spokenClips()
  await using cluster = await startCluster({ config: { groups: [{ instances: 2, weights: [3, 2] }] } })
  const counts: Record<string, number> = {}
  for (let i = 0; i < 10; i++) {
    const { instance } = await sendClip(cluster.url, clip!)
    counts[instance!] = (counts[instance!] ?? 0) + 1
  }
  expect(counts).toEqual({ 'default-0': 6, 'default-1': 4 })
})
