import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import {
  hashApiKey,
  type AdminAnswer,
  type AdminAsk,
  type AdminGone,
  type AsrError,
} from '@asr-cluster/protocol'
import { AdminDesk } from './admin-desk.js'
import { replyError } from './respond.js'

const key = 'the-admin-key-of-this-test'

/** A server with a desk, and what the desk says to its supervisor. */
async function setUp(onAsk?: (ask: AdminAsk, answer: (part: Partial<AdminAnswer>) => void) => void) {
  const desk = new AdminDesk()
  const sent: (AdminAsk | AdminGone)[] = []
  if (onAsk) {
    desk.connect((message) => {
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
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    desk
      .handle(request, response, request.url ?? '', 'r1')
      .catch((error: AsrError) => replyError(request, response, error, '/api/admin', 'r1'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/admin`
  const post = (path: string, body: string, headers: Record<string, string> = { 'x-asr-admin-key': key }) =>
    fetch(`${url}/${path}`, { method: 'POST', body, headers })
  return { desk, sent, url, post }
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
  const { post } = await setUp((_ask, answer) => answer({ verdict, end: true }))
  expect(await codeOf(await post('start', '{}'))).toEqual([401, 'unauthorized'])
  verdict = 'disabled'
  expect(await codeOf(await post('start', '{}'))).toEqual([403, 'admin_disabled'])
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
