import { request } from 'undici'
import { expect, it } from 'vitest'
import { startCluster, waitFor, type TestCluster } from '../fixtures/cluster.js'
import { makeGate } from '../fixtures/gate.js'
import { json, type Answerer } from '../fixtures/upstream.js'

const type = 'application/json; charset=utf-8'
const cacheOn = { deps: { cacheMaxBytes: 1e7 } }

/** Without a length, as servers do that write an answer in pieces. */
function chunked(status: number, text: string): Answerer {
  return (_, response) => {
    response.writeHead(status, { 'content-type': type })
    response.write(text.slice(0, 5), () => response.end(text.slice(5)))
  }
}

async function post({ url }: TestCluster) {
  const { statusCode, headers, body } = await request(`${url}/asr`, { method: 'POST', body: 'x' })
  return { statusCode, headers, text: await body.text() }
}

it('sends a request again whose answer broke off in its first chunks', async () => {
  const cutOff: Answerer = ({ socket }, response) => {
    response.writeHead(200, { 'content-type': type })
    response.write('{"te', () => socket.resetAndDestroy())
  }
  const cluster = await startCluster([cutOff, chunked(200, '{"text":"whole"}')])
  const answer = await post(cluster)
  expect(answer).toMatchObject({ statusCode: 200, text: '{"text":"whole"}' })
  expect(answer.headers).toMatchObject({ 'content-length': '16' })
  expect(answer.headers).not.toHaveProperty('transfer-encoding')
  expect(cluster.upstreams[0]?.received).toHaveLength(1)
})

it('sends a request again that an instance declined in chunks', async () => {
  const cluster = await startCluster([
    chunked(429, '{"error":{"code":"slots_full"}}'),
    chunked(200, '{"text":"b"}'),
  ])
  expect(await post(cluster)).toMatchObject({ statusCode: 200, text: '{"text":"b"}' })
})

it('keeps an answer that came in chunks', async () => {
  const cluster = await startCluster([chunked(200, '{"text":"short"}')], cacheOn)
  const [first, second] = [await post(cluster), await post(cluster)]
  expect(first.headers['x-asr-cache']).toBe('miss')
  expect(second.headers).toMatchObject({ 'x-asr-cache': 'hit', 'content-length': '16' })
  expect(second.text).toBe(first.text)
})

it.each([
  ['with a cache', cacheOn, 6e6],
  ['without', {}, 300_000],
])('passes on one that is too long to be held as it comes, %s', async (_, options, bytes) => {
  const go = makeGate()
  const text = 'x'.repeat(bytes)
  const cluster = await startCluster(
    [
      (_request, response) => {
        response.writeHead(200, { 'content-type': type })
        response.write(text)
        void go.opened.then(() => response.end('end'))
      },
    ],
    { ...options, member: { slots: 2 } },
  )
  // Their heads, and with a cache also the second one's turn, come before the end.
  const head = () => request(`${cluster.url}/asr`, { method: 'POST', body: 'x' })
  const answers = await Promise.all([head(), head()])
  go.open()
  for (const { body } of answers) expect((await body.text()) === `${text}end`).toBe(true)
})

it.each(['text/event-stream', 'text/plain', 'application/x-ndjson', undefined])(
  'passes on each piece of a stream of type %s when it comes',
  async (streamType) => {
    const go = makeGate()
    const cluster = await startCluster([
      (_, response) => {
        if (streamType !== undefined) response.setHeader('content-type', streamType)
        response.write('one\n')
        void go.opened.then(() => response.end())
      },
    ])
    const { body } = await request(`${cluster.url}/asr`, { method: 'POST', body: 'x' })
    let text = ''
    body.on('data', (chunk) => (text += String(chunk)))
    await waitFor(() => text === 'one\n')
    go.open()
  },
)

it('does not take an answer for whole that ends with its connection', async () => {
  const cluster = await startCluster(
    [({ socket }) => socket.end(`HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\n\r\n{"text":"cut`)],
    cacheOn,
  )
  expect((await post(cluster)).headers['x-asr-cache']).toBe('miss')
  cluster.upstreams[0]!.answer = (_, response) => json(response, 200, { text: 'whole' })
  expect((await post(cluster)).text).toBe('{"text":"whole"}')
})
