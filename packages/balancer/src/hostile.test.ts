import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { exchange, parseAnswers } from './fixtures/raw-http.js'
import { startProgram, type Program } from './fixtures/program.js'
import { Upstream } from './fixtures/upstream.js'
import { waitFor } from './fixtures/cluster.js'

const host = 'Host: asr.example\r\n'
const post = (headers: string, body = ''): string => `POST /asr HTTP/1.1\r\n${host}${headers}\r\n${body}`
const get = (path: string, headers = ''): string => `GET ${path} HTTP/1.1\r\n${host}${headers}\r\n`
/** What must never arrive at an instance. */
const smuggled = 'POST /v1/audio/transcriptions HTTP/1.1\r\nHost: smuggled\r\nContent-Length: 0\r\n\r\n'
const chunked = 'Transfer-Encoding: chunked\r\n'

/** Name, pieces that are sent, statuses of the answers, requests that an instance gets. */
type Case = [name: string, pieces: string | (string | Buffer)[], statuses: number[], forwarded: number]

const framing: Case[] = [
  ['CL and TE', post(`Content-Length: 4\r\n${chunked}`, `0\r\n\r\n${smuggled}`), [400], 0],
  ['TE and CL', post(`${chunked}Content-Length: 6\r\n`, `0\r\n\r\n${smuggled}`), [400], 0],
  ['two different lengths', post('Content-Length: 5\r\nContent-Length: 6\r\n', `hello${smuggled}`), [400], 0],
  ['two equal lengths', post('Content-Length: 5\r\nContent-Length: 5\r\n', 'hello'), [400], 0],
  ['a list of lengths', post('Content-Length: 5, 5\r\n', 'hello'), [400], 0],
  ['a negative length', post('Content-Length: -1\r\n'), [400], 0],
  ['a signed length', post('Content-Length: +5\r\n', 'hello'), [400], 0],
  ['a hexadecimal length', post('Content-Length: 0x5\r\n', 'hello'), [400], 0],
  ['an empty length', post('Content-Length: \r\n', 'hello'), [400], 0],
  ['a length with a space inside', post('Content-Length: 1 0\r\n', 'hello'), [400], 0],
  ['a length beyond 64 bits', post('Content-Length: 99999999999999999999\r\n'), [400], 0],
  ['a length beyond what is allowed', post('Content-Length: 100000001\r\n'), [413], 0],
  ['an unknown coding', post('Transfer-Encoding: gzip\r\n', smuggled), [400], 0],
  ['gzip, chunked', post('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'), [400], 0],
  ['chunked twice', post('Transfer-Encoding: chunked, chunked\r\n', '0\r\n\r\n'), [400], 0],
  ['chunked in two headers', post(`${chunked}${chunked}`, '0\r\n\r\n'), [400], 0],
  ['chunked, identity', post('Transfer-Encoding: chunked, identity\r\n', `0\r\n\r\n${smuggled}`), [400], 0],
  ['xchunked', post('Transfer-Encoding: xchunked\r\n', `0\r\n\r\n${smuggled}`), [400], 0],
  ['a tab before chunked', post('Transfer-Encoding:\tchunked\r\n', '3\r\nabc\r\n0\r\n\r\n'), [200], 1],
  [
    'a vertical tab before chunked',
    post('Transfer-Encoding: \x0bchunked\r\n', `0\r\n\r\n${smuggled}`),
    [400],
    0,
  ],
  ['a space before the colon', post('Transfer-Encoding : chunked\r\n', `0\r\n\r\n${smuggled}`), [400], 0],
  ['a folded header', post('Transfer-Encoding:\r\n chunked\r\n', `0\r\n\r\n${smuggled}`), [400], 0],
  ['chunked in HTTP/1.0', `POST /asr HTTP/1.0\r\n${host}${chunked}\r\n0\r\n\r\n${smuggled}`, [400], 0],
  ['a good chunked body', post(chunked, '5\r\nhello\r\n0\r\n\r\n'), [200], 1],
  ['chunk sizes in capitals with zeros', post(chunked, '000A\r\n0123456789\r\n0\r\n\r\n'), [200], 1],
  ['a chunk extension', post(chunked, '5;x=y\r\nhello\r\n0\r\n\r\n'), [200], 1],
  ['endless chunk extensions', post(chunked, `5;${'x'.repeat(40_000)}\r\nhello\r\n0\r\n\r\n`), [413], 0],
  ['a negative chunk size', post(chunked, `-5\r\nhello\r\n0\r\n\r\n${smuggled}`), [400], 0],
  ['a chunk size with 0x', post(chunked, `0x5\r\nhello\r\n0\r\n\r\n${smuggled}`), [400], 0],
  ['a huge chunk size', post(chunked, 'FFFFFFFFFFFFFFFFF\r\nhello'), [400], 0],
  ['a chunk that is longer than its size', post(chunked, `3\r\nhello\r\n0\r\n\r\n${smuggled}`), [400], 0],
  ['chunk lines ended by LF', post(chunked, `5\nhello\n0\n\n${smuggled}`), [400], 0],
  [
    'a trailer section',
    post(`${chunked}Trailer: X-Sum\r\n`, '5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n'),
    [200],
    1,
  ],
  ['a Trailer header without a body', get('/health', 'Trailer: a\r\n'), [200], 1],
  ['a body on GET', `${get('/healthz', 'Content-Length: 5\r\n')}hello`, [200], 0],
  [
    'a hidden request in the body of GET',
    `${get('/healthz', `Content-Length: ${smuggled.length}\r\n`)}${smuggled}`,
    [200],
    0,
  ],
  [
    'a hidden request in the body of POST',
    post(`Content-Length: ${smuggled.length}\r\n`, smuggled),
    [200],
    1,
  ],
]

const heads: Case[] = [
  ['garbage', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', [400], 0],
  ['an HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [400], 0],
  ['no version', 'GET /asr\r\n\r\n', [400], 0],
  ['a wrong version', `GET /asr HTTP/3.7\r\n${host}\r\n`, [400], 0],
  ['an unknown method', `BREW /asr HTTP/1.1\r\n${host}\r\n`, [400], 0],
  ['lower case method', `post /asr HTTP/1.1\r\n${host}\r\n`, [400], 0],
  ['a method of no route', `DELETE /asr HTTP/1.1\r\n${host}\r\n`, [405], 0],
  ['CONNECT', 'CONNECT internal:22 HTTP/1.1\r\nHost: internal:22\r\n\r\n', [405], 0],
  ['TRACE', `TRACE /asr HTTP/1.1\r\n${host}\r\n`, [405], 0],
  ['no host', 'GET /healthz HTTP/1.1\r\n\r\n', [400], 0],
  ['two hosts', `POST /asr HTTP/1.1\r\n${host}Host: other\r\nContent-Length: 1\r\n\r\nx`, [400], 0],
  [
    'an absolute target',
    `POST http://169.254.169.254/asr HTTP/1.1\r\n${host}Content-Length: 1\r\n\r\nx`,
    [200],
    1,
  ],
  [
    'an absolute target of another route',
    `GET http://169.254.169.254/latest HTTP/1.1\r\n${host}\r\n`,
    [404],
    0,
  ],
  ['OPTIONS *', `OPTIONS * HTTP/1.1\r\n${host}\r\n`, [204], 0],
  ['OPTIONS of a route', `OPTIONS /asr HTTP/1.1\r\n${host}\r\n`, [204], 0],
  ['a space in the target', `GET /health z HTTP/1.1\r\n${host}\r\n`, [400], 0],
  ['a control byte in the target', `GET /health\x01 HTTP/1.1\r\n${host}\r\n`, [400], 0],
  ['dot segments', get('/asr/../metrics.json'), [404], 0],
  ['an encoded slash', get('/%2e%2e/metrics.json'), [404], 0],
  ['the route of instances that is not for clients', get('/metrics.json'), [404], 0],
  ['a control byte in a header', get('/healthz', 'X: a\x01b\r\n'), [400], 0],
  ['a NUL in a header', get('/healthz', 'X: a\x00b\r\n'), [400], 0],
  ['a bare CR in a header', get('/healthz', 'X: a\rb\r\n'), [400], 0],
  ['a header without a name', get('/healthz', ': x\r\n'), [400], 0],
  ['a header without a colon', get('/healthz', 'nonsense\r\n'), [400], 0],
  ['a space in a header name', get('/healthz', 'X Y: z\r\n'), [400], 0],
  ['64 KB in one header', get('/healthz', `X: ${'a'.repeat(65_536)}\r\n`), [431], 0],
  ['64 KB in many headers', get('/healthz', 'X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n'.repeat(2_000)), [431], 0],
  ['a target of 64 KB', get(`/${'a'.repeat(65_536)}`), [431], 0],
  ['latin-1 in a header', post('X: \xe9\xff\r\nContent-Length: 1\r\n', 'x'), [200], 1],
  ['a request id that splits headers', post('X-Request-Id: a\tb\r\nContent-Length: 1\r\n', 'x'), [200], 1],
  [
    'Connection that names our headers',
    post('Connection: x-real-ip, x-request-id, content-length\r\nContent-Length: 1\r\n', 'x'),
    [200],
    1,
  ],
  ['an unknown expectation', post('Expect: 200-maybe\r\nContent-Length: 1\r\n', 'x'), [400], 0],
  [
    'an offer of h2c',
    get('/healthz', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n'),
    [200],
    0,
  ],
  [
    'an offer of h2c with a body',
    post('Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n', 'hello'),
    [200],
    1,
  ],
  ['a WebSocket on another route', get('/asr', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'), [404], 0],
  [
    'a WebSocket by POST',
    post('Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n', 'x'),
    [200],
    1,
  ],
  [
    'a WebSocket with a body',
    [get('/v1/realtime', 'Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n'), 'abc'],
    [400],
    0,
  ],
]

const connections: Case[] = [
  ['empty lines before a request', `\r\n\r\n${get('/healthz')}`, [200], 0],
  ['byte by byte', [...get('/healthz')], [200], 0],
  ['pipelined requests', get('/healthz') + get('/nope') + get('/healthz'), [200, 404, 200], 0],
  ['pipelined uploads', post('Content-Length: 1\r\n', 'a').repeat(3), [200, 200, 200], 3],
  ['a request after a refused one', post('Content-Length: 100000001\r\n') + smuggled, [413], 0],
  ['a request after Connection: close', get('/healthz', 'Connection: close\r\n') + smuggled, [200], 0],
  ['HTTP/1.0 without keep-alive', 'GET /healthz HTTP/1.0\r\n\r\n', [200], 0],
  [
    'a request that expects 100',
    [post('Expect: 100-continue\r\nContent-Length: 5\r\n'), 'hello'],
    [100, 200],
    1,
  ],
  [
    'a refused request that expects 100',
    post('Expect: 100-continue\r\nContent-Length: 100000001\r\n'),
    [413],
    0,
  ],
  [
    'a request on no route that expects 100',
    `POST /nope HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n`,
    [404],
    0,
  ],
]

describe('hostile clients', () => {
  let upstream: Upstream
  let program: Program
  let port = 0
  // A hook registered inside a hook would never run.
  let endProgram = async (): Promise<void> => {}

  beforeAll(async () => {
    upstream = await new Upstream('a').listen()
    const args = ['--port', '0', '--upstream', `${upstream.url};slots=8`, '--body-timeout', '400ms']
    program = startProgram(args, { lifetimeMs: 60_000, endsWith: (end) => (endProgram = end) })
    await waitFor(() => program.output().includes('instance up'))
    port = Number(/"port":(\d+)/.exec(program.output())?.[1])
  })
  afterAll(async () => {
    await endProgram()
    await upstream.close()
  })

  async function expectAlive(): Promise<void> {
    const [answer] = parseAnswers(
      await exchange(port, [post('Connection: close\r\nContent-Length: 2\r\n', 'ok')]),
    )
    expect(answer).toMatchObject({ status: 200, body: '{"text":"a"}' })
    expect(program.child.exitCode).toBeNull()
  }

  it.each([...framing, ...heads, ...connections])('%s', async (_, pieces, statuses, forwarded) => {
    const before = upstream.received.length
    const answers = parseAnswers(await exchange(port, Array.isArray(pieces) ? pieces : [pieces]))
    expect(answers.map((answer) => answer.status)).toEqual(statuses)
    for (const answer of answers.filter(({ status }) => status >= 400)) {
      const error = JSON.parse(answer.body) as { code?: string; error?: { code?: string } }
      expect(error.code ?? error.error?.code).toMatch(/^[a-z_]+$/)
    }
    const arrived = upstream.received.slice(before)
    expect(arrived).toHaveLength(forwarded)
    for (const { headers, path } of arrived) {
      expect(headers.host).not.toBe('smuggled')
      expect(path === '/asr' || path === '/health').toBe(true)
      for (const name of ['transfer-encoding', 'trailer', 'te', 'upgrade', 'expect', 'x-sum']) {
        expect(headers[name]).toBeUndefined()
      }
      expect(headers['x-real-ip']).toBe('127.0.0.1')
    }
    await expectAlive()
  })

  it('a client that stops in the middle of its body gets 408', async () => {
    const [answer] = parseAnswers(await exchange(port, [post('Content-Length: 50\r\n', 'half')], 5_000))
    expect(answer?.status).toBe(408)
    expect(upstream.received.filter(({ body }) => String(body) === 'half')).toEqual([])
  })

  it('clients that go away in the middle leave nothing behind', async () => {
    const parts = [
      post(''),
      post('Content-Length: 50\r\n', 'half'),
      post(chunked, '5\r\nhel'),
      'POST /a',
      post('Content-Length: 2\r\n', 'ok'),
    ]
    const { connect } = await import('node:net')
    await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const socket = connect(port, '127.0.0.1')
        onTestFinished(() => void socket.destroy())
        await new Promise<void>((resolve) => socket.once('connect', resolve))
        await new Promise<void>((resolve) =>
          socket.write(parts[index % parts.length] as string, () => resolve()),
        )
        if (index % 2 === 0) socket.resetAndDestroy()
        else socket.end()
      }),
    )
    await expectAlive()
    const metrics = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    let text = ''
    do text = await metrics()
    while (
      !text.includes('asr_instance_in_flight{instance="upstream-0"} 0') ||
      !text.includes('asr_queue_depth 0')
    )
  })
})
