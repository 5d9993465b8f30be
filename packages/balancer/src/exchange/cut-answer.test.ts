import { request } from 'undici'
import { expect, it } from 'vitest'
import { startCluster, type TestCluster } from '../fixtures/cluster.js'

async function metricsOf(cluster: TestCluster): Promise<string> {
  return (await request(`${cluster.url}/metrics`)).body.text()
}

it('ends a stream that breaks off with an error event and without a proper end', async () => {
  const cluster = await startCluster([
    ({ socket }, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: 1\n\n', () => socket.resetAndDestroy())
    },
    undefined,
  ])
  const answer = await request(`${cluster.url}/asr`, { method: 'POST', body: 'x' })
  let text = ''
  const read = async () => {
    for await (const chunk of answer.body) text += String(chunk)
  }
  await expect(read()).rejects.toThrow()
  expect(text).toMatch(
    /^data: 1\n\nevent: error\ndata: {"type":"error","error":{.*"code":"upstream_failed"}}\n\n$/,
  )
  expect(cluster.upstreams[1]?.received).toHaveLength(0)
  const counted = 'asr_requests_total{route="/asr",code="502"} 1\n'
  await expect.poll(() => metricsOf(cluster)).toContain(counted)
  expect(await metricsOf(cluster)).not.toContain('{route="/asr",code="200"}')
})

it('counts a client that leaves in the middle of its answer as one that left', async () => {
  const cluster = await startCluster([
    (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: 1\n\n')
    },
  ])
  const answer = await request(`${cluster.url}/asr`, { method: 'POST', body: 'x' })
  answer.body.on('error', () => undefined)
  answer.body.destroy()
  const counted = 'asr_requests_total{route="/asr",code="499"} 1\n'
  await expect.poll(() => metricsOf(cluster)).toContain(counted)
})
