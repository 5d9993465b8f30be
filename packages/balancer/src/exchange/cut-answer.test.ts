import { connect } from 'node:net'
import type { Member } from '@asr-cluster/protocol'
import { request } from 'undici'
import { expect, it, onTestFinished } from 'vitest'
import { startCluster, waitFor, type TestCluster } from '../fixtures/cluster.js'
import type { Upstream } from '../fixtures/upstream.js'

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

it('resets the connection of an HTTP/1.0 client, to which an end would look like that of the answer', async () => {
  let breakOff = (): unknown => undefined
  const cluster = await startCluster([
    ({ socket }, response) => {
      breakOff = () => socket.resetAndDestroy()
      response.writeHead(200, { 'content-type': 'text/plain' })
      response.write('half of')
    },
  ])
  const client = connect(cluster.port, '127.0.0.1').on('data', () => breakOff())
  onTestFinished(() => void client.destroy())
  client.write('POST /asr HTTP/1.0\r\nContent-Length: 1\r\n\r\nx')
  const error = await new Promise((resolve) => client.on('error', resolve).on('end', resolve))
  expect(error).toMatchObject({ code: 'ECONNRESET' })
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

it('gives up a client that does not read the end of a stream whose instance hangs', async () => {
  const cluster = await startCluster([undefined, undefined], {
    config: {
      timeouts: { response: '300ms' },
      health: { interval: '50ms', timeout: '100ms', fall: 2 },
    },
  })
  const [hanging] = cluster.upstreams as [Upstream]
  hanging.answer = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (let count = 0; count < 12; count += 1) response.write(Buffer.alloc(2 ** 20, 'x'))
  }
  cluster.balancer.setMembers([{ ...(cluster.members[0] as Member), native: true }])
  const client = connect(cluster.port, '127.0.0.1').on('error', () => undefined)
  client.pause()
  onTestFinished(() => void client.destroy())
  client.write('POST /asr HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx')
  await waitFor(() => hanging.received.length === 1)
  cluster.balancer.setMembers(cluster.members)
  hanging.health = () => undefined
  await waitFor(() => cluster.balancer.stats().members[0]?.state === 'ejected')
  await cluster.balancer.drain()
})
