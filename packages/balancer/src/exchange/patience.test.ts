import type { Member } from '@asr-cluster/protocol'
import { request } from 'undici'
import { expect, it } from 'vitest'
import { startCluster, waitFor } from '../fixtures/cluster.js'
import { json, type Answerer, type Upstream } from '../fixtures/upstream.js'

const full: Answerer = (_, response) => json(response, 429, { error: { message: 'no', code: 'slots_full' } })
const never: Answerer = () => undefined

it('the time that an instance worked before it died is no wait', async () => {
  const config = { queue: { timeout: '300ms' }, health: { interval: '60s' } }
  const cluster = await startCluster([undefined, undefined], { config })
  const [a, b] = cluster.upstreams as [Upstream, Upstream]
  a.answer = () => setTimeout(() => a.die(), 400)
  b.answer = (incoming, response, body) => {
    b.answer = (_, again) => json(again, 200, { text: 'ok' })
    full(incoming, response, body)
  }
  const answer = await request(`${cluster.url}/asr`, { method: 'POST', body: 'x' })
  expect([answer.statusCode, await answer.body.json()]).toEqual([200, { text: 'ok' }])
  expect(b.received).toHaveLength(2)
})

it('an instance that says it drains while its health is good is left alone for a second', async () => {
  const cluster = await startCluster(
    [(_, response) => json(response, 503, { error: { message: 'no', code: 'draining' } })],
    { config: { queue: { timeout: '300ms' } } },
  )
  const answer = await request(`${cluster.url}/asr`, { method: 'POST', body: 'x' })
  expect(answer.statusCode).toBe(503)
  expect(await answer.body.json()).toMatchObject({ code: 'queue_timeout' })
  expect(cluster.upstreams[0]?.received).toHaveLength(1)
  // In vain, but a wait.
  const metrics = await (await request(`${cluster.url}/metrics`)).body.text()
  expect(metrics).toContain('asr_queue_wait_seconds_count 2\n')
})

it('a request whose instance died goes to the process that takes its place while the others are full', async () => {
  const cluster = await startCluster([undefined, never])
  const [a, b] = cluster.upstreams as [Upstream, Upstream]
  const [memberA, memberB] = cluster.members as [Member, Member]
  const members = (identity: string): Member[] => [{ ...memberA, identity }, memberB]
  const become = (identity: string): void => {
    a.health = (_, response) =>
      json(response, 200, { status: 'healthy', timestamp: '', instance: 'a', identity })
  }
  const isUp = (): boolean => cluster.balancer.stats().members.every(({ state }) => state === 'up')
  become('first')
  cluster.balancer.setMembers(members('first'))
  await waitFor(isUp)
  a.answer = never
  const answers = ['one', 'two'].map((id) =>
    request(`${cluster.url}/asr`, { method: 'POST', body: 'x', headers: { 'x-request-id': id } }),
  )
  for (const answer of answers) answer.catch(() => undefined)
  await waitFor(() => a.received.length === 1 && b.received.length === 1)
  const ofA = a.received[0]?.headers['x-request-id'] === 'one' ? answers[0] : answers[1]
  a.die()
  await waitFor(() => !isUp())
  cluster.balancer.setMembers([memberB])
  become('second')
  a.answer = (_, response) => json(response, 200, { text: 'a again' })
  await a.listen(a.port)
  cluster.balancer.setMembers(members('second'))
  const answer = await ofA
  expect(await answer?.body.json()).toEqual({ text: 'a again' })
})
