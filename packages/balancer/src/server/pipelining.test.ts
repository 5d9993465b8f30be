import { connect, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startCluster, waitFor, type TestCluster } from '../fixtures/cluster.js'
import { exchange, parseAnswers, upgradeRequest } from '../fixtures/raw-http.js'
import { json, type Answerer } from '../fixtures/upstream.js'

const post = (body: string): string => `POST /asr HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n${body}`
const get = 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n'

const connectRequest = 'CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n'

function send(cluster: TestCluster, bytes: string): Socket {
  const socket = connect(cluster.port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => undefined)
  socket.write(bytes)
  return socket
}

describe('pipelined requests', () => {
  it('do not keep a drain open when their client leaves', async () => {
    const cluster = await startCluster([() => undefined])
    const socket = send(cluster, post('a') + get + get)
    await waitFor(() => cluster.balancer.stats().inFlight === 1)
    socket.destroy()
    await cluster.balancer.drain()
    expect(cluster.balancer.stats().inFlight).toBe(0)
  })

  it('do not keep a slot for a streamed answer that waits for its turn when their client leaves', async () => {
    const endless: Answerer = (_, response, body) => {
      if (body.toString() === 'a') return
      response.writeHead(200, { 'content-type': 'text/plain' })
      const push = (): void => {
        while (response.write(Buffer.alloc(1 << 18)));
        response.once('drain', push)
      }
      push()
    }
    const cluster = await startCluster([endless], { member: { slots: 2 } })
    const socket = send(cluster, post('a') + post('b'))
    await waitFor(() => cluster.upstreams[0]?.received.length === 2)
    socket.destroy()
    await waitFor(() => cluster.balancer.stats().inFlight === 0)
  })

  it.each([connectRequest, upgradeRequest])(
    'do no harm when %j comes behind them and the client resets the connection',
    async (bytes) => {
      let answer = (): void => undefined
      const cluster = await startCluster([
        (_, response) => {
          answer = () => json(response, 200, {})
        },
      ])
      // The write to a connection that is reset may fail at once or later; without a listener it would end this process.
      for (let round = 1; round <= 20; round += 1) {
        const socket = send(cluster, post('a') + bytes)
        await waitFor(() => cluster.upstreams[0]?.received.length === round)
        socket.resetAndDestroy()
        answer()
        await waitFor(() => cluster.balancer.stats().inFlight === 0)
      }
      await cluster.balancer.drain()
    },
  )

  it.each([
    ['CONNECT', connectRequest],
    ['an unknown expectation', `GET /healthz HTTP/1.1\r\nhost: x\r\nexpect: foo\r\n\r\n${get}`],
    ['a WebSocket', upgradeRequest],
  ])('have their answer when %s comes behind them, and it is the last one', async (_, bytes) => {
    const cluster = await startCluster([undefined])
    const answers = parseAnswers(await exchange(cluster.port, [post('a') + bytes], 5_000))
    expect(answers.map(({ status }) => status)).toEqual([200])
    expect(answers[0]?.headers).toMatchObject({ connection: 'close', 'x-asr-instance': 'a' })
    await cluster.balancer.drain()
  })

  it('all have their answers when CONNECT comes behind them', async () => {
    const cluster = await startCluster([undefined], { member: { slots: 2 } })
    const bytes = await exchange(cluster.port, [post('a') + post('b') + connectRequest], 5_000)
    expect(parseAnswers(bytes).map(({ headers }) => headers['connection'])).toEqual(['keep-alive', 'close'])
    await cluster.balancer.drain()
  })

  it('all have their answers after a hand-over, also one that came after it; the last one says that it is', async () => {
    const answers: (() => void)[] = []
    const cluster = await startCluster([(_, response) => void answers.push(() => json(response, 200, {}))], {
      member: { slots: 3 },
    })
    const socket = send(cluster, post('a') + post('b'))
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => chunks.push(chunk as Buffer))
    await waitFor(() => answers.length === 2)
    const over = cluster.balancer.handOver()
    socket.write(post('c'))
    await waitFor(() => answers.length === 3)
    for (const answer of answers) answer()
    await over
    await waitFor(() => socket.readableEnded)
    const connections = parseAnswers(Buffer.concat(chunks)).map(({ headers }) => headers['connection'])
    expect(connections).toEqual(['keep-alive', 'keep-alive', 'close'])
  })
})
