import { request } from 'undici'
import { describe, expect, it } from 'vitest'
import { startCluster } from './fixtures/cluster.js'
import { json } from './fixtures/upstream.js'

const series = {
  name: 'asr_audio_seconds_total',
  help: 'h',
  type: 'counter',
  values: [{ value: 7, labels: {} }],
}

describe('an instance of ours', () => {
  it('is known by its health answer, also where its slots were configured', async () => {
    const cluster = await startCluster([(_, response) => json(response, 200, [series])], {
      member: { native: false, slots: 2 },
      dontWait: true,
    })
    const [upstream] = cluster.upstreams
    if (!upstream) throw new Error('no upstream')
    upstream.health = (_, response) =>
      json(response, 200, { status: 'healthy', timestamp: 't', instance: 'i', slots: 3 })
    let text = ''
    while (!text.includes('asr_audio_seconds_total 7')) {
      const answer = await request(`${cluster.url}/metrics`)
      text = await answer.body.text()
    }
    expect(cluster.balancer.members.backends[0]?.member).toMatchObject({ native: true, slots: 2 })
  })
})
