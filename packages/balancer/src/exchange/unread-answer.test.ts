import { connect } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { startCluster, waitFor } from '../fixtures/cluster.js'
import { FakeClock } from '../fixtures/fake-clock.js'
import type { Answerer } from '../fixtures/upstream.js'

const responseTimeoutMs = 30_000
/** The greatest answer that is held; two of them are more than the system takes for a client that does not read. */
const body = Buffer.alloc(4 * 1024 * 1024, 'x')
const post = (text: string): string => `POST /asr HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n${text}`

const answerWhole: Answerer = (_, response) => {
  response.writeHead(200, { 'content-length': body.length })
  response.end(body)
}

/** A balancer that has answered two requests of a client that reads nothing. */
async function answerNobody() {
  const clock = new FakeClock()
  const cluster = await startCluster([answerWhole], {
    // With a cache also long answers are held.
    deps: { clock, cacheMaxBytes: 1e8 },
    config: { timeouts: { response: `${responseTimeoutMs}ms` } },
    dontWait: true,
  })
  const [upstream] = cluster.upstreams
  while (cluster.balancer.stats().members[0]?.state !== 'up') await clock.advance(0)
  const client = connect(cluster.port, '127.0.0.1').on('error', () => undefined)
  onTestFinished(() => void client.destroy())
  client.write(post('a') + post('b'))
  await waitFor(() => upstream?.received.length === 2 && cluster.balancer.stats().inFlight === 0)
  let drained = false
  const draining = cluster.balancer.drain().then(() => (drained = true))
  return { clock, draining, isDrained: () => drained }
}

it('gives up a client that does not read an answer which was held until it was whole', async () => {
  const { clock, draining, isDrained } = await answerNobody()
  await clock.advance(responseTimeoutMs - 1)
  expect(isDrained()).toBe(false)
  await clock.advance(1)
  await draining
})

it('takes no more of a long answer in chunks than its client reads, and gives up the client', async () => {
  const clock = new FakeClock()
  let written = 0
  const pour: Answerer = (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    const piece = Buffer.alloc(64 * 1024, 'x')
    // In turns of the event loop: the callback of a write comes before it on Node 26, and would leave no time for sockets.
    const more = (): void => {
      if (response.destroyed) return
      written += piece.length
      if (response.write(piece)) setImmediate(more)
      else response.once('drain', more)
    }
    more()
  }
  const cluster = await startCluster([pour], {
    deps: { clock },
    config: { timeouts: { response: `${responseTimeoutMs}ms` } },
    dontWait: true,
  })
  while (cluster.balancer.stats().members[0]?.state !== 'up') await clock.advance(0)
  const client = connect(cluster.port, '127.0.0.1').on('error', () => undefined)
  onTestFinished(() => void client.destroy())
  const timersBefore = clock.pending
  client.write(post('a'))
  // The only timer of a request that has its slot is that of a client which does not read.
  await waitFor(() => written > body.length && clock.pending > timersBefore)
  await clock.advance(responseTimeoutMs)
  await waitFor(() => cluster.balancer.stats().inFlight === 0)
})
