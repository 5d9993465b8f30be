import { identityHeader, identityMark } from '@asr-cluster/protocol'
import { request } from 'undici'
import { expect, it } from 'vitest'
import { startCluster, waitFor } from '../fixtures/cluster.js'
import { json, type Answerer, type Upstream } from '../fixtures/upstream.js'

const series = (name: string) => [
  { name: 'asr_tokens_total', help: '', type: 'counter', values: [{ value: 7, labels: { instance: name } }] },
]

it('has the series of instances, and none of a stranger on the port of one', async () => {
  const identities = ['of-a', 'of-b']
  const tell =
    (name: string, identity: string): Answerer =>
    (_, response) => {
      response.setHeader(identityHeader, identityMark(identity))
      json(response, 200, series(name))
    }
  const cluster = await startCluster([tell('a', 'of-a'), tell('b', 'of-b')], {
    dontWait: true,
    config: { health: { interval: '60s' } },
  })
  cluster.upstreams.forEach((upstream, index) => {
    const identity = identities[index] as string
    upstream.health = (_, response) =>
      json(response, 200, { status: 'healthy', timestamp: '', instance: upstream.name, identity })
  })
  cluster.balancer.setMembers(
    cluster.members.map((member, index) => ({
      ...member,
      identity: identities[index] as string,
      marks: true,
    })),
  )
  await waitFor(() => cluster.balancer.stats().members.every(({ state }) => state === 'up'))
  const tokens = async (): Promise<string[]> => {
    const text = await (await request(`${cluster.url}/metrics`)).body.text()
    return text.match(/^asr_tokens_total.*$/gm) ?? []
  }
  expect(await tokens()).toEqual(['asr_tokens_total{instance="a"} 7', 'asr_tokens_total{instance="b"} 7'])
  const [a] = cluster.upstreams as [Upstream]
  for (const stranger of [
    tell('x', 'somebody'),
    (_, response) => json(response, 200, series('x')),
  ] satisfies Answerer[]) {
    a.answer = stranger
    expect(await tokens()).toEqual(['asr_tokens_total{instance="b"} 7'])
  }
})
