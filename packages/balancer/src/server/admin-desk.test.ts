import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import {
  hashApiKey,
  type AdminAnswer,
  type AdminAsk,
  type AdminGone,
  type AsrError,
} from '@asr-cluster/protocol'
import { FakeClock } from '../fixtures/fake-clock.js'
import { makeGate } from '../fixtures/gate.js'
import { AdminDesk } from './admin-desk.js'
import { replyError } from './respond.js'

const key = 'the-admin-key-of-this-test'

/** A server with a desk, and what the desk says to its supervisor besides asking for `judge`'s verdict. */
async function setUp(
  onAsk?: (ask: AdminAsk, answer: (part: Partial<AdminAnswer>) => void) => void,
  judge: () => AdminAnswer['verdict'] | undefined = () => 'accepted',
) {
  const clock = new FakeClock()
  const desk = new AdminDesk(clock)
  const sent: (AdminAsk | AdminGone)[] = []
  if (onAsk) {
    desk.connect((message) => {
      if (message.type === 'admin' && message.request === undefined) {
        const verdict = judge()
        const { exchange } = message
        if (verdict) desk.onAnswer({ type: 'admin-answer', exchange, verdict, lines: [], end: true })
        return
      }
      sent.push(message)
      if (message.type !== 'admin') return
      const { exchange } = message
      onAsk(message, (part) =>
        desk.onAnswer({
          type: 'admin-answer',
          exchange,
          verdict: 'accepted',
          lines: [],
          end: false,
          ...part,
        }),
      )
    })
  }
  const entered = makeGate()
  const handle = (expectsContinue: boolean) => (request: IncomingMessage, response: ServerResponse) => {
    desk
      .handle(request, response, request.url ?? '', 'r1', expectsContinue)
      .catch((error: AsrError) => replyError(request, response, error, '/api/admin', 'r1'))
    request.once('resume', () => entered.open())
  }
  const server = createServer(handle(false)).on('checkContinue', handle(true))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/admin`
  const post = (path: string, body: string, headers: Record<string, string> = { 'x-asr-admin-key': key }) =>
    fetch(`${url}/${path}`, { method: 'POST', body, headers })
  return { desk, sent, url, post, clock, reading: entered.opened }
}

const codeOf = async (response: Response): Promise<unknown> => [
  response.status,
  ((await response.json()) as { code: string }).code,
]

it('passes a request on with the hash of its key, and the answer back', async () => {
  const { post, sent } = await setUp((_ask, answer) => {
    answer({})
    answer({ lines: [{ line: 'a' }] })
    answer({ lines: [{ done: true, ok: true }], end: true })
  })
  const response = await post('scale', '{"targets":["default=3"]}')
  expect(response.headers.get('content-type')).toBe('application/x-ndjson')
  expect(await response.text()).toBe('{"line":"a"}\n{"done":true,"ok":true}\n')
  expect(sent).toEqual([
    {
      type: 'admin',
      exchange: expect.any(String),
      keyHash: hashApiKey(key),
      request: { operation: 'scale', targets: ['default=3'] },
    },
  ])
})

it('refuses what has no key or no sense before the supervisor hears of it', async () => {
  const { post, sent } = await setUp(() => {
    throw new Error('must not be asked')
  })
  expect(await codeOf(await post('scale', '{"targets":["3"]}', { cookie: `key=${key}` }))).toEqual([
    401,
    'unauthorized',
  ])
  expect(await codeOf(await post('scale', '{"targets":[]}'))).toEqual([400, 'invalid_request'])
  expect(await codeOf(await post('stop', '{}'))).toEqual([400, 'invalid_request'])
  expect(await codeOf(await post('scale', '['))).toEqual([400, 'invalid_request'])
  expect(await codeOf(await post('down', '{}'))).toEqual([400, 'invalid_request'])
  expect(await codeOf(await post('scale', `{"targets":["${'x'.repeat(20_000)}"]}`))).toEqual([
    413,
    'file_too_large',
  ])
  expect(sent).toEqual([])
})

it('says why the supervisor does not let somebody in', async () => {
  let verdict: AdminAnswer['verdict'] = 'wrong-key'
  const { post, url } = await setUp(
    (_ask, answer) => answer({ verdict, end: true }),
    () => verdict,
  )
  const headers = { 'x-asr-admin-key': key }
  expect(await codeOf(await post('start', '{}'))).toEqual([401, 'unauthorized'])
  expect(await codeOf(await fetch(`${url}/logs`, { headers }))).toEqual([401, 'unauthorized'])
  verdict = 'disabled'
  expect(await codeOf(await post('start', '{}'))).toEqual([403, 'admin_disabled'])
  expect(await codeOf(await fetch(`${url}/logs`, { headers }))).toEqual([403, 'admin_disabled'])
})

it('has nobody to ask without a supervisor', async () => {
  const { post } = await setUp()
  expect(await codeOf(await post('start', '{}'))).toEqual([501, 'not_implemented'])
})

it('tells the supervisor when a reader goes, and ends what is followed when it closes', async () => {
  const { url, sent, desk } = await setUp((_ask, answer) => answer({ lines: [{ text: 'one' }] }))
  const leaving = new AbortController()
  const headers = { 'x-asr-admin-key': key }
  const first = await fetch(`${url}/logs?lines=5&id=default-0`, { headers, signal: leaving.signal })
  expect(first.status).toBe(200)
  expect(sent[0]).toMatchObject({ request: { operation: 'logs', id: 'default-0', lines: 5 } })
  const second = await fetch(`${url}/logs`, { headers })
  leaving.abort()
  await expect.poll(() => sent.at(-1)).toMatchObject({ type: 'admin-gone' })
  desk.close()
  expect(await second.text()).toBe('{"text":"one"}\n')
  expect(await codeOf(await fetch(`${url}/logs`, { headers }))).toEqual([503, 'draining'])
})

/** A POST of which only the head is sent until the test sends more; the answer settles with its status and code. */
function begin(url: string, headers: Record<string, string> = {}) {
  const asking = httpRequest(`${url}/start`, {
    method: 'POST',
    headers: { 'x-asr-admin-key': key, 'content-length': 2, ...headers },
  })
  asking.on('error', () => undefined)
  const answered = once(asking, 'response').then(async ([answer]) => {
    const response = answer as IncomingMessage
    const text = (await response.toArray()).join('')
    return [response.statusCode, (JSON.parse(text) as { code?: string }).code]
  })
  asking.flushHeaders()
  return { asking, answered }
}

it('says 100 Continue to whom it lets in, and to nobody else', async () => {
  let verdict: AdminAnswer['verdict'] = 'wrong-key'
  const { url } = await setUp(
    (_ask, answer) => answer({ lines: [{ done: true }], end: true }),
    () => verdict,
  )
  const refused = begin(url, { expect: '100-continue' })
  let continued = false
  refused.asking.on('continue', () => (continued = true))
  expect(await refused.answered).toEqual([401, 'unauthorized'])
  expect(continued).toBe(false)
  verdict = 'accepted'
  const { asking, answered } = begin(url, { expect: '100-continue' })
  await once(asking, 'continue')
  asking.end('{}')
  expect(await answered).toEqual([200, undefined])
})

it('judges the key before it waits for the body', async () => {
  const { url } = await setUp(
    () => undefined,
    () => 'wrong-key',
  )
  expect(await begin(url).answered).toEqual([401, 'unauthorized'])
})

it('waits ten seconds for a body', async () => {
  const { url, clock, reading } = await setUp(() => undefined)
  const { answered } = begin(url)
  await reading
  await clock.advance(10_000)
  expect(await answered).toEqual([408, 'request_timeout'])
  expect(clock.pending).toBe(0)
})

it.each(['accepted', undefined] as const)(
  'closes also when a body (%s) or the verdict does not come',
  async (verdict) => {
    const asked = makeGate()
    const { url, clock, desk, reading } = await setUp(
      () => undefined,
      () => (asked.open(), verdict),
    )
    const { answered } = begin(url)
    await asked.opened
    if (verdict) await reading
    desk.close()
    expect(await answered).toEqual([503, 'draining'])
    expect(clock.pending).toBe(0)
  },
)
